"""What servers of models do with a frame, as their users write it: fit, run, choose the boxes, bring them back.

Plain OpenCV and onnxruntime with one thread; the same as the module `detector` does by its defaults.
"""

import functools
import os

import cv2
import numpy as np
import onnxruntime

SIDE_PX = 640
CONFIDENCE, OVERLAP = 0.25, 0.5


@functools.cache
def session():
    """Load the model where the first frame comes: not every server has its workers import what it imports."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(os.environ["BENCH_MODEL"], options, providers=["CPUExecutionProvider"])


def detect(image):
    """Return what is found in (h, w, 3) BGR: x, y, width, height in its px, confidence, class; the surest first."""
    height, width = image.shape[:2]
    scale = min(SIDE_PX / width, SIDE_PX / height)
    wide, high = round(width * scale), round(height * scale)
    left, top = round((SIDE_PX - wide) / 2 - 0.1), round((SIDE_PX - high) / 2 - 0.1)
    canvas = np.full((SIDE_PX, SIDE_PX, 3), 114, np.uint8)
    canvas[top : top + high, left : left + wide] = cv2.resize(image, (wide, high), interpolation=cv2.INTER_LINEAR)
    (output,) = session().run(None, {"images": cv2.dnn.blobFromImage(canvas, 1 / 255, swapRB=True)})
    some = output[0][:, output[0, 4:].max(axis=0) >= CONFIDENCE].T
    if not len(some):
        return []
    classes, sure = some[:, 4:].argmax(axis=1), some[:, 4:].max(axis=1)
    corners = some[:, :2] - some[:, 2:4] / 2
    boxes = np.concatenate([corners, some[:, 2:4]], axis=1)
    kept = np.asarray(cv2.dnn.NMSBoxesBatched(boxes.tolist(), sure.tolist(), classes.tolist(), CONFIDENCE, OVERLAP))
    ends = (boxes[kept] @ [[1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1]] - [left, top, left, top]) / scale
    ends = np.clip(ends, 0, [width, height, width, height])
    ends[:, 2:] -= ends[:, :2]
    return np.column_stack([ends, sure[kept], classes[kept]]).tolist()
