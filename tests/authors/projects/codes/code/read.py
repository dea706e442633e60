"""Read all codes, and draw a box around each."""

import zxingcpp


def main(context):
    texts = []
    for code in zxingcpp.read_barcodes(context["image"]):
        place = code.position
        corners = [place.top_left, place.top_right, place.bottom_right, place.bottom_left]
        left, top = min(c.x for c in corners), min(c.y for c in corners)
        width, height = max(c.x for c in corners) - left, max(c.y for c in corners) - top
        names = [{"id": 1, "label": code.text, "confidence": 1.0}]
        context["detectedRectangles"].append(
            {"x": left, "y": top, "width": width, "height": height, "classNames": names}
        )
        texts.append(code.text)
    context["codes"] = texts
    context["result"] = texts == [context["data"]]
