"""Draws the parts of the example project that is taught: brushed steel plates, good ones to learn from and samples.

    python -m bench.draw_surface deploy/projects/surface GOOD_FOLDER

writes `samples/*.jpg` below the first folder, and good plates into the second. Each plate is brushed anew, lies a
little otherwise and is lit a little otherwise; what is random about it has a fixed seed, so every run gives the same
pixels. The defects of samples are drawn here, by other means than those that `framemill train` draws with.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH_PX, HEIGHT_PX = 640, 480
GOOD = 40
_FINER = 2  # pixels that are averaged for one of the frame, each way
_PLATE_PX = (36, 30, 604, 450)  # left, top, right and bottom where it lies as it should
_HOLES_PX = ((92, 84, 20), (548, 84, 20), (92, 396, 20), (548, 396, 20))  # middle and radius
_BELT, _STEEL = 38.0, 168.0
_JPEG_QUALITY = 88

Levels = NDArray[np.floating[Any]]
Rng = np.random.Generator


def good_plate(number: int) -> NDArray[np.uint8]:
    """Return good plate `number`, (h, w) uint8."""
    return _photograph(np.random.default_rng([19, number]), lambda levels, _rng: levels)


def sample(name: str) -> NDArray[np.uint8]:
    """Return a sample, (h, w) uint8."""
    return _photograph(np.random.default_rng([91, list(SAMPLES).index(name)]), SAMPLES[name])


def _photograph(rng: Rng, damage: Callable[[Levels, Rng], Levels]) -> NDArray[np.uint8]:
    """Return a plate as the camera sees it, with what `damage` does to it."""
    size = (WIDTH_PX * _FINER, HEIGHT_PX * _FINER)
    steel = damage(_brushed(rng, size[::-1]), rng)
    on_plate = _outline(size[::-1])
    middle = (size[0] / 2, size[1] / 2)
    turn = np.asarray(cv2.getRotationMatrix2D(middle, float(rng.normal(0, 0.15)), 1.0), np.float64)
    turn[:, 2] += rng.normal(0, 1.5 * _FINER, 2)
    steel = np.asarray(cv2.warpAffine(steel, turn, size, borderMode=cv2.BORDER_REFLECT), np.float32)
    on_plate = np.asarray(cv2.warpAffine(on_plate, turn, size), np.float32)
    finer = _BELT + (steel - _BELT) * on_plate
    levels = np.asarray(cv2.resize(finer, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA), np.float32)
    y, x = np.mgrid[-1 : 1 : HEIGHT_PX * 1j, -1 : 1 : WIDTH_PX * 1j]
    slope_x, slope_y, bright = rng.normal(0, 0.015, 3)
    lit = levels * (1 + bright + slope_x * x + slope_y * y - 0.05 * (x**2 + y**2))
    seen: NDArray[np.uint8] = np.clip(np.rint(lit + rng.normal(0, 1.6, lit.shape)), 0, 255).astype(np.uint8)
    return seen


def _brushed(rng: Rng, shape: tuple[int, int]) -> Levels:
    """Return steel that was brushed from left to right: streaks of several widths and lengths."""
    levels: Levels = np.full(shape, _STEEL, np.float32)
    for long_px, high_px, strong in ((901, 1, 9.0), (301, 1, 7.0), (601, 5, 4.0), (75, 1, 4.0)):
        noise = rng.normal(0, 1, shape).astype(np.float32)
        streaks = cv2.blur(cv2.blur(noise, (long_px, high_px)), (long_px // 3 | 1, 1))
        levels = levels + strong * streaks / float(streaks.std())
    return levels


def _outline(shape: tuple[int, int]) -> Levels:
    """Return where the plate is: 1 on it, 0 beside it and in its holes."""
    on_plate = np.zeros(shape, np.float32)
    left, top, right, bottom = (each * _FINER for each in _PLATE_PX)
    on_plate[top:bottom, left:right] = 1
    for x, y, radius in _HOLES_PX:
        cv2.circle(on_plate, (x * _FINER, y * _FINER), radius * _FINER, 0, cv2.FILLED, cv2.LINE_AA)
    return on_plate


def _scratched(levels: Levels, rng: Rng) -> Levels:
    """A needle was drawn over it, not quite straight."""
    along = np.linspace(0, 1, 24)
    x, y = 210 + 190 * along, 300 - 96 * along + 5 * np.sin(4 * along) + rng.normal(0, 0.6, 24)
    points = np.rint(np.column_stack([x, y]) * _FINER).astype(np.int32)
    cut = np.zeros(levels.shape, np.uint8)
    cv2.polylines(cut, [points], isClosed=False, color=255, thickness=3, lineType=cv2.LINE_AA)
    return levels - 62 * (cut.astype(np.float32) / 255)


def _stained(levels: Levels, rng: Rng) -> Levels:
    """Oil: a little darker, ragged, and the brushing is still to be seen."""
    rough = cv2.GaussianBlur(rng.normal(0, 1, levels.shape).astype(np.float32), (0, 0), 16)
    y, x = np.mgrid[: levels.shape[0], : levels.shape[1]].astype(np.float32)
    inside = 1 - np.hypot((x - 400 * _FINER) / 46, (y - 170 * _FINER) / 34) / _FINER + 0.25 * rough / float(rough.std())
    return np.asarray(levels * (1 - 0.2 * np.clip(3 * inside, 0, 1)), np.float32)


def _dented(levels: Levels, _rng: Rng) -> Levels:
    """Something fell on it: one side of the hollow turns to the light, the other away."""
    y, x = np.mgrid[: levels.shape[0], : levels.shape[1]].astype(np.float32)
    across, down = (x - 270 * _FINER) / (13 * _FINER), (y - 210 * _FINER) / (13 * _FINER)
    return np.asarray(levels + 66 * (across + down) * np.exp(-(across**2) - down**2), np.float32)


def _unbrushed(levels: Levels, _rng: Rng) -> Levels:
    """A patch that the brush has left out: as bright as the rest, and smooth."""
    patch = np.zeros(levels.shape, np.float32)
    cv2.ellipse(patch, (340 * _FINER, 330 * _FINER), (52 * _FINER, 26 * _FINER), 8, 0, 360, 1.0, cv2.FILLED)
    soft = np.asarray(cv2.GaussianBlur(patch, (0, 0), 4 * _FINER), np.float32)
    smooth = np.asarray(cv2.GaussianBlur(levels, (0, 0), 12 * _FINER), np.float32)
    return np.asarray(levels + soft * (smooth + 4 - levels), np.float32)


def _as_it_is(levels: Levels, _rng: Rng) -> Levels:
    return levels


SAMPLES: Mapping[str, Callable[[Levels, Rng], Levels]] = {
    "ok_1": _as_it_is,
    "ok_2": _as_it_is,
    "nok_scratch": _scratched,
    "nok_stain": _stained,
    "nok_dent": _dented,
    "nok_unbrushed": _unbrushed,
}


def main(project: Path, good: Path) -> None:
    """Write samples below `project`, and good plates into `good`."""
    for folder in (project / "samples", good):
        folder.mkdir(parents=True, exist_ok=True)
    for name in SAMPLES:
        write_frame(project / "samples" / f"{name}.jpg", sample(name))
    for number in range(GOOD):
        write_frame(good / f"{number:03}.jpg", good_plate(number))


def write_frame(path: Path, frame: NDArray[np.uint8]) -> None:
    """Write a frame as the project has it."""
    path.write_bytes(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
