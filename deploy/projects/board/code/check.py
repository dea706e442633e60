"""The last word on a board: how many defects are too many, and a line for whoever reads the answer.

`main` is called once for each frame, with the context that the modules before it have filled, and with the values of
`form` in framemill.toml. It changes the context in place and returns nothing.
"""


def main(context: dict, form: dict) -> None:
    # Every defect that the reference module found: a dictionary with x, y, width, height in px,
    # a confidence of 0..1, and classNames, of which the first is the winner.
    defects = context["detectedRectangles"]
    labels = [defect["classNames"][0]["label"] for defect in defects]

    # A key of your own comes back in the answer beside the standard ones.
    context["board"] = {"defects": len(defects), "labels": labels, "limit": form["max_defects"]}

    # What is printed comes back as `stdout`.
    print(f"{len(defects)} defects, {form['max_defects']} allowed")

    # True is OK, False is NOK. Here a board can only become worse than the reference module judged it.
    if len(defects) > form["max_defects"]:
        context["result"] = False
