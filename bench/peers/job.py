"""The job of every server in these measurements: decode, demosaic, read the mark, write JSON; or draw and encode.

Plain OpenCV, as anybody would write it. The peers run it; so does the plain loop that is the limit (bench/limit.py).
The kind of a frame follows from its bytes, since not every peer hands the query string to its model. With BENCH_MODEL,
an ONNX file, objects are looked for too (detect.py).
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"
import cv2
import numpy as np
import orjson

cv2.setNumThreads(1)
WIDTH_PX = int(os.environ.get("BENCH_WIDTH_PX", "1920"))
HEIGHT_PX = int(os.environ.get("BENCH_HEIGHT_PX", "1024"))


def decode(body):
    """Return the frame in `body` (bytes or a view) as (h, w, 3) BGR, uint8."""
    pixels = np.frombuffer(body, np.uint8)
    if pixels.size == WIDTH_PX * HEIGHT_PX * 3:
        return pixels.reshape(HEIGHT_PX, WIDTH_PX, 3)
    if pixels.size == WIDTH_PX * HEIGHT_PX:
        return cv2.cvtColor(pixels.reshape(HEIGHT_PX, WIDTH_PX), cv2.COLOR_BayerRGGB2BGR)
    return cv2.imdecode(pixels, cv2.IMREAD_COLOR)


def context_of(image):
    """Inspect: the mark, and objects where there is a model, as the JSON of an answer."""
    mark = int(np.packbits(image[8, 8:264:16, 1] > 127).view(">u2")[0])
    height, width = image.shape[:2]
    context = {"mark": mark, "result": True, "imageShape": {"height": height, "width": width}}
    if "BENCH_MODEL" in os.environ:
        from detect import detect  # noqa: PLC0415 - needs onnxruntime, which few have

        context["detections"] = detect(image)
    return orjson.dumps(context)


def inspect(body):
    """From a frame's bytes to its answer's."""
    return context_of(decode(body))


def annotate(body):
    """From a frame's bytes to its context and an annotated PNG."""
    image = decode(body)
    drawn = cv2.rectangle(image.copy(), (600, 300), (900, 500), (0, 0, 255), 2)
    return context_of(image), cv2.imencode(".png", drawn)[1].tobytes()
