def main(context, form):
    context["operatorInput"]["limit"] = form["limit"]
