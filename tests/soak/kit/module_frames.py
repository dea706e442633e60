"""Runs the example of one kind of module over many small frames in a process of its own; prints its memory as JSON.

    python -m tests.soak.kit.module_frames KIND FOLDER FRAMES...

FOLDER is written to. FRAMES are after how many frames, in rising order, memory is looked at.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.frames import board
from bench.module_examples import write_example
from workers.flow.flow import Flow
from workers.flow.project import load_project

_WIDTH_PX, _HEIGHT_PX = 160, 120
_MINUTE_NS = 60 * 10**9


def _frames() -> list[NDArray[np.uint8]]:
    """Return good and bad boards, in colour and in grey: what is found is kept as seldom as what is not."""
    good = board(_WIDTH_PX, _HEIGHT_PX)
    bad = good.copy()
    bad[30:50, 40:70] = 255 - bad[30:50, 40:70]
    bad[80:84, 100:104] = (0, 0, 255)
    return [good, bad, np.zeros_like(good), np.asarray(cv2.cvtColor(bad, cv2.COLOR_BGR2GRAY), np.uint8)]


def _resident_kib() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 // 1024


def main(kind: str, folder: str, *counts: str) -> None:
    """Run, and print KiB of resident memory after each of `counts` frames."""
    cv2.setNumThreads(1)
    frames = _frames()
    flow = Flow.prepare(load_project(write_example(kind, Path(folder), frames[0])))
    seen, done = [], 0
    for count in map(int, counts):
        for number in range(done, count):
            flow.run(frames[number % len(frames)], data="", deadline_ns=time.monotonic_ns() + _MINUTE_NS)
        done = count
        seen.append(_resident_kib())
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
