def main(context):
    context["operatorInput"]["alone"] = context["image"].shape[0]
