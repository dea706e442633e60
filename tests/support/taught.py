"""Good parts for modules that learn, small ones, and a project that learns them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.support.pictures import png
from tests.support.projects import write_project

WIDTH_PX, HEIGHT_PX = 128, 96
FLOW = '[frame]\ngrey = true\n[[flow]]\nmodule = "anomaly"\nname = "surface"\nfile = "models/surface.npz"\n'


def plate(number: int, *, spot: bool = False) -> NDArray[np.uint8]:
    """A good plate with grain, each of its own, (h, w); with `spot` there is a dark stain on it."""
    rng = np.random.default_rng([5, number])
    grain = cv2.blur(rng.normal(0, 1, (HEIGHT_PX, WIDTH_PX)).astype(np.float32), (9, 1))
    levels = 150 + rng.normal(0, 2) + 24 * np.asarray(grain, np.float32)
    if spot:
        y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
        levels = levels - 70 * np.exp(-(((x - 70) / 7) ** 2) - ((y - 40) / 7) ** 2)
    seen: NDArray[np.uint8] = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return seen


def good_folder(folder: Path, count: int = 16, first: int = 0) -> Path:
    """Write good plates."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        (folder / f"{number:03}.png").write_bytes(png(plate(number)))
    return folder


def untaught_project(folder: Path, flow: str = FLOW) -> Path:
    """Write a project that has learned nothing yet."""
    return write_project(folder, flow)
