"""It may spoil its image: the other branch has its own."""


def main(context):
    context["image"] = context["image"].copy()
    bright = bool(context["image"][:, 20:].mean() > 100)
    context["image"][:] = 0
    context["result"] = bright
    context["detectedRectangles"].append({"x": 20, "y": 0, "width": 10, "height": 10})
