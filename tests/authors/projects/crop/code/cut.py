"""Cut, and say where the part lies in the image: it is moved by x and y."""


def main(context, form):
    x, y, width, height = (form[key] for key in ("x", "y", "width", "height"))
    context["image"] = context["image"][y : y + height, x : x + width].copy()
    context["placement"] = [[1, 0, x], [0, 1, y], [0, 0, 1]]
