"""Draws the example project that measures: a plate with a slot and a hole, lit from behind, and a target.

    python -m bench.draw_gap deploy/projects/gap

writes `samples/*.jpg` and `target/*.jpg` below that folder: frames of 1920x1024 of a camera whose lens distorts and
that looks at the plate at a slight angle. Nothing is random but the sensor's noise, which has a fixed seed for each
frame. Lengths are mm of the plane in which the plate lies.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH_PX, HEIGHT_PX = 1920, 1024
_FOCAL_PX, _AWAY_MM = 2400.0, 120.0
_MATRIX = np.array([[_FOCAL_PX, 0, 968.4], [0, _FOCAL_PX + 3, 505.7], [0, 0, 1]])
_DISTORTION = np.array([-0.12, 0.04, 0.0006, -0.0004, 0.0])
_LOOKED_AT_MM = (48.0, 25.6)
_BLUR_MM = 0.06  # over which an edge goes from dark to light, to either side

_LIGHT, _DARK = 205.0, 42.0
COLUMNS, ROWS, PITCH_MM = 9, 5, 7.5

Levels = NDArray[np.float64]


@dataclass(frozen=True)
class Plate:
    """A plate as it lies before the camera: its sizes, moved and turned by so much."""

    gap_mm: float = 2.0
    hole_mm: float = 12.0
    moved_mm: tuple[float, float] = (0.0, 0.0)
    turned_degrees: float = 0.0


SAMPLES = {
    "ok_1": Plate(),
    "ok_2": Plate(gap_mm=2.02, hole_mm=11.985, moved_mm=(0.25, -0.2), turned_degrees=0.3),
    "nok_gap": Plate(gap_mm=2.11, moved_mm=(-0.2, 0.1), turned_degrees=-0.2),
    "nok_hole": Plate(hole_mm=11.86, moved_mm=(0.1, 0.2), turned_degrees=0.15),
}
# how the target is held: turned about x, y and z, radians, and how much farther away; the first lies as plates do
TARGETS = (
    (0.02, -0.015, 0.0, 0.0),
    (0.45, 0.05, 0.03, 25.0),
    (-0.42, 0.1, -0.04, 30.0),
    (0.06, 0.5, 0.05, 30.0),
    (-0.05, -0.48, 0.0, 35.0),
)


def _soft(inside_mm: Levels) -> Levels:
    """Return 1 inside, 0 outside, and what is between at the edge, which lies at 0 mm."""
    share = np.clip(inside_mm / _BLUR_MM, -1, 1)
    return np.asarray((1 + np.sin(share * np.pi / 2)) / 2)


def _box(x: Levels, y: Levels, corners: tuple[float, float, float, float]) -> Levels:
    """Return how far inside of a rectangle places are, below zero outside."""
    left, top, right, bottom = corners
    return np.minimum(np.minimum(x - left, right - x), np.minimum(y - top, bottom - y))


def plate_levels(x: Levels, y: Levels, plate: Plate) -> Levels:
    """Return the brightness at places of the plane."""
    turn = np.radians(plate.turned_degrees)
    away_x, away_y = x - 48 - plate.moved_mm[0], y - 26 - plate.moved_mm[1]
    x, y = 48 + away_x * np.cos(turn) + away_y * np.sin(turn), 26 - away_x * np.sin(turn) + away_y * np.cos(turn)
    inside = _box(x, y, (8, 7, 88, 45))
    half = plate.gap_mm / 2
    for opening in (
        _box(x, y, (30 - half, 0, 30 + half, 32)),
        half - np.hypot(x - 30, y - 32),  # the slot has a round end
        plate.hole_mm / 2 - np.hypot(x - 62, y - 26),
        *(1.6 - np.hypot(x - at_x, y - at_y) for at_x in (14, 82) for at_y in (13, 39)),
    ):
        inside = np.minimum(inside, -opening)
    dark = _soft(inside)
    return np.asarray(_LIGHT * (1 - dark) + _DARK * dark)


def target_levels(x: Levels, y: Levels) -> Levels:
    """Return the brightness of the target at places of its plane, its first inner corner at 0, 0."""
    ends = [(x, COLUMNS * PITCH_MM), (y, ROWS * PITCH_MM)]
    inner = [np.clip(along, -PITCH_MM + _BLUR_MM, end - _BLUR_MM) for along, end in ends]
    waves = [np.sin(np.pi * along / PITCH_MM) * PITCH_MM / np.pi / _BLUR_MM for along in inner]
    across, down = (np.sin(np.clip(wave, -1, 1) * np.pi / 2) for wave in waves)
    on = _soft(_box(x, y, (-PITCH_MM, -PITCH_MM, COLUMNS * PITCH_MM, ROWS * PITCH_MM)))
    return np.asarray(_LIGHT - (_LIGHT - _DARK) * on * (1 + across * down) / 2)


def places_mm(turned: tuple[float, float, float], at_mm: tuple[float, float], away_mm: float) -> tuple[Levels, Levels]:
    """Return what each pixel sees of a plane: x and y, (h, w) mm; the picture's middle sees `at_mm`."""
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX].astype(np.float64)
    pixels = np.column_stack([x.ravel(), y.ravel()])[:, None]
    until = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-9)
    rays = cv2.undistortPoints(pixels, _MATRIX, _DISTORTION, None, None, None, until)[:, 0]
    rotation = np.asarray(cv2.Rodrigues(np.array(turned))[0], np.float64)
    moved = np.array([0, 0, away_mm]) - rotation[:, :2] @ np.array(at_mm)
    back = np.linalg.inv(np.column_stack([rotation[:, :2], moved]))
    placed = np.column_stack([rays, np.ones(len(rays))]) @ back.T
    shape = (HEIGHT_PX, WIDTH_PX)
    return (placed[:, 0] / placed[:, 2]).reshape(shape), (placed[:, 1] / placed[:, 2]).reshape(shape)


def photograph(levels: Levels, seed: int) -> NDArray[np.uint8]:
    """Return levels, (h, w), as the sensor gives them: darker to the corners, with noise."""
    y, x = np.mgrid[-1 : 1 : HEIGHT_PX * 1j, -1 : 1 : WIDTH_PX * 1j]
    lit = levels * (1 - 0.06 * (x**2 + y**2))
    noise = np.random.default_rng(seed).normal(0, 2, levels.shape)
    seen: NDArray[np.uint8] = np.clip(np.rint(lit + noise), 0, 255).astype(np.uint8)
    return seen


def sample(name: str) -> NDArray[np.uint8]:
    """Return a sample, (h, w) uint8."""
    seed = list(SAMPLES).index(name) + 1
    x, y = places_mm(TARGETS[0][:3], _LOOKED_AT_MM, _AWAY_MM)
    return photograph(plate_levels(x, y, SAMPLES[name]), seed)


def target(number: int) -> NDArray[np.uint8]:
    """Return a picture of the target, (h, w) uint8, counted from 1."""
    *turned, farther_mm = TARGETS[number - 1]
    middle = ((COLUMNS - 1) * PITCH_MM / 2, (ROWS - 1) * PITCH_MM / 2)
    x, y = places_mm((turned[0], turned[1], turned[2]), middle, _AWAY_MM + farther_mm)
    return photograph(target_levels(x, y), 10 + number)


def main(project: Path) -> None:
    """Write all frames below `project`."""
    for folder in ("samples", "target"):
        (project / folder).mkdir(parents=True, exist_ok=True)
    for name in SAMPLES:
        write_frame(project / "samples" / f"{name}.jpg", sample(name))
    for number in range(1, len(TARGETS) + 1):
        name = f"{number}_flat.jpg" if number == 1 else f"{number}.jpg"
        write_frame(project / "target" / name, target(number))


def write_frame(path: Path, frame: NDArray[np.uint8]) -> None:
    """Write a frame as the project has it."""
    path.write_bytes(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
