def main(context, module_item):
    context["operatorInput"]["item"] = module_item["name"]
