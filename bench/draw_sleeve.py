"""Draws the parts of the example project of three cameras: steel sleeves, each from above and from two sides.

    python -m bench.draw_sleeve deploy/projects/sleeve

writes `samples/PART/VIEW.jpg` below that folder: frames of 640x480, lit from behind, a tenth of a mm each pixel.
Nothing is random but the sensor's noise, which has a fixed seed for each frame.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH_PX, HEIGHT_PX = 640, 480
VIEWS = ("top", "left", "right")
_LIGHT, _DARK = 208.0, 40.0
_BLUR_PX = 1.5  # over which an edge goes from dark to light, to either side
_JPEG_QUALITY = 92

Levels = NDArray[np.float64]


@dataclass(frozen=True)
class Sleeve:
    """A sleeve: its sizes in px of a frame, where its bore lies beside the middle, and what a side has lost."""

    bore_px: float = 180.0
    outside_px: float = 320.0
    beside_px: tuple[float, float] = (0.0, 0.0)
    height_px: float = 260.0
    slope_px: float = 0.0  # by how much the upper rim is lower at one end, seen from the right
    nick_px: float = 0.0  # the depth of a nick in the upper rim, seen from the left
    moved_px: tuple[float, float] = (0.0, 0.0)


SAMPLES = {
    "ok_1": Sleeve(),
    "ok_2": Sleeve(bore_px=180.6, height_px=259.4, moved_px=(4.0, -3.0)),
    "nok_bore": Sleeve(beside_px=(7.0, 3.0), moved_px=(-3.0, 2.0)),
    "nok_nick": Sleeve(nick_px=22.0, moved_px=(2.0, 3.0)),
    "nok_short": Sleeve(height_px=249.0, slope_px=9.0, moved_px=(-2.0, -2.0)),
}


def _dark(inside_px: Levels) -> Levels:
    """Return 1 inside, 0 outside, and what is between at the edge, which lies at 0 px."""
    share = np.clip(inside_px / _BLUR_PX, -1, 1)
    return np.asarray((1 + np.sin(share * np.pi / 2)) / 2)


def view_inside(sleeve: Sleeve, view: str) -> Levels:
    """Return how far inside of the sleeve each pixel of a view is, in px, below zero outside."""
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX] + 0.5
    x, y = x - WIDTH_PX / 2 - sleeve.moved_px[0], y - HEIGHT_PX / 2 - sleeve.moved_px[1]
    if view == "top":
        bore = sleeve.bore_px / 2 - np.hypot(x - sleeve.beside_px[0], y - sleeve.beside_px[1])
        return np.asarray(np.minimum(sleeve.outside_px / 2 - np.hypot(x, y), -bore))
    half, foot = sleeve.outside_px / 2, 130.0
    rim = foot - sleeve.height_px
    if view == "right":
        rim = rim + sleeve.slope_px * (x + half) / (2 * half)
    inside = np.minimum(np.minimum(x + half, half - x), np.minimum(y - rim, foot - y))
    if view == "left" and sleeve.nick_px:
        inside = np.minimum(inside, np.hypot(x - 60, (y - rim) * 1.2) - sleeve.nick_px)
    return np.asarray(inside)


def sample(name: str, view: str) -> NDArray[np.uint8]:
    """Return a view of a sample, (h, w) uint8."""
    dark = _dark(view_inside(SAMPLES[name], view))
    y, x = np.mgrid[-1 : 1 : HEIGHT_PX * 1j, -1 : 1 : WIDTH_PX * 1j]
    lit = (_LIGHT * (1 - dark) + _DARK * dark) * (1 - 0.05 * (x**2 + y**2))
    rng = np.random.default_rng([27, list(SAMPLES).index(name), VIEWS.index(view)])
    seen: NDArray[np.uint8] = np.clip(np.rint(lit + rng.normal(0, 1.8, lit.shape)), 0, 255).astype(np.uint8)
    return seen


def write_frame(path: Path, frame: NDArray[np.uint8]) -> None:
    """Write one."""
    cv2.imwrite(str(path), frame, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])


def main(project: Path) -> None:
    """Write all frames below `project`."""
    for name in SAMPLES:
        folder = project / "samples" / name
        folder.mkdir(parents=True, exist_ok=True)
        for view in VIEWS:
            write_frame(folder / f"{view}.jpg", sample(name, view))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
