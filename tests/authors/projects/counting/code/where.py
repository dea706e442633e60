"""Say in which corner of the cover a screw is missing."""


def main(context):
    height, width = context["image"].shape[:2]
    found = {
        ("upper" if box["y"] < height / 2 else "lower") + " " + ("left" if box["x"] < width / 2 else "right")
        for box in context["detectedRectangles"]
    }
    corners = ["upper left", "upper right", "lower left", "lower right"]
    context["missing"] = [corner for corner in corners if corner not in found]
