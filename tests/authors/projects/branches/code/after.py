def main(context):
    context["found"] = len(context["detectedRectangles"])
