"""One thread: workers are as many as there are cores, and a session with one thread survives the fork."""

from pathlib import Path

import cv2
import numpy as np
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(
    Path(__file__).with_name("model.onnx"), options, providers=["CPUExecutionProvider"]
)


def main(context):
    small = cv2.resize(context["image"], (8, 8), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    (scores,) = session.run(None, {"image": small.reshape(1, 64)})
    context["scores"] = scores[0]  # numpy's numbers may go out as they are
    context["score"] = float(scores[0, 1])
    context["result"] = bool(scores[0].argmax() == 1)
