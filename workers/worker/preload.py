"""The libraries that every worker needs, imported once before any fork and never run there.

Neither OpenCV nor numpy survives a fork once its threads have run. So OpenBLAS is told to have no threads before the
import, nothing is called, and the first call happens in a worker, after `calm_down`.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path

# whatever the environment says: a process with threads must not fork, and limits are not for it to change
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
# onnxruntime of user code starts a thread at its import that would speak to its maker: then nothing could be forked
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# a second line behind the gate (ImageLimits.max_side_px), which cannot be imported yet: it needs numpy
os.environ["OPENCV_IO_MAX_IMAGE_WIDTH"] = "16384"
os.environ["OPENCV_IO_MAX_IMAGE_HEIGHT"] = "16384"
os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(16384**2)

import cv2
import numpy as np  # noqa: F401 - imported for the processes to come

from workers.memory.arena import keep_large_arrays


def freeze() -> None:
    """Make ready for forking; raises RuntimeError where a thread already runs in this process."""
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:
        msg = f"the process that forks workers has {threads} threads; it must have one"
        raise RuntimeError(msg)
    # what exists now is shared by all workers: the collector must not touch, and so copy, its pages
    gc.collect()
    gc.freeze()


def calm_down() -> None:
    """In a fresh worker: one thread for OpenCV, and memory that stays with the process."""
    cv2.setNumThreads(1)
    keep_large_arrays()
