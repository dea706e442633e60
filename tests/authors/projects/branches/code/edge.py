def main(context):
    context["result"] = bool(context["image"][:, :20].mean() > 100)
    context["detectedRectangles"].append({"x": 0, "y": 0, "width": 10, "height": 10})
