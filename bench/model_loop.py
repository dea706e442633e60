"""What the module `detector` takes beside plain onnxruntime in a loop, with the same model of about 10 MB at 640x640.

`python -m bench.model_loop` prints CPU ms of one thread, the least of many, in turn on the same frames.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import onnxruntime  # type: ignore[import-untyped]

from bench import tiny_models
from bench.frames import board
from workers.flow.flow import Flow
from workers.flow.project import load_project

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FLOW = '[project]\nname = "loop"\n\n[[flow]]\nmodule = "detector"\nfile = "model.onnx"\n'
_SIDE_PX = 640
_TRIES = 30


def measure() -> dict[str, float]:
    """Return CPU ms a frame of 1920x1024 for the module, for a plain loop, and the loop's time by the module's."""
    image = board(1920, 1024)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tiny_models.backbone(folder / "model.onnx", _SIDE_PX)
        (folder / "framemill.toml").write_text(_FLOW)
        flow, plain = Flow.prepare(load_project(folder)), _plain(folder / "model.onnx")
        ours_ms, plain_ms = [], []
        for _ in range(_TRIES):
            begun = time.process_time()
            flow.run(image, data="", deadline_ns=time.monotonic_ns() + 10**12)
            between = time.process_time()
            _loop(plain, image)
            ours_ms.append(1000 * (between - begun))
            plain_ms.append(1000 * (time.process_time() - between))
    ours, loop = min(ours_ms), min(plain_ms)
    return {"detector_640_ms": ours, "detector_640_plain_loop_ms": loop, "detector_640_of_plain_loop": loop / ours}


def _plain(model: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def _loop(session: onnxruntime.InferenceSession, image: NDArray[np.uint8]) -> int:
    """What a first attempt does with a frame, (h, w, 3) BGR: scale, turn colours, run, threshold, suppress."""
    small = cv2.resize(image, (_SIDE_PX, _SIDE_PX))
    tensor = np.ascontiguousarray((small[:, :, ::-1].astype(np.float32) / 255).transpose(2, 0, 1)[None])
    found = session.run(None, {"images": tensor})[0][0]
    sure = found[4:].max(axis=0)
    some = np.flatnonzero(sure > 0.25)
    return len(cv2.dnn.NMSBoxes(found[:4, some].T.tolist(), sure[some].tolist(), 0.25, 0.5))


if __name__ == "__main__":
    for figure, value in measure().items():
        print(f"{figure:32} {value:8.3f}")
