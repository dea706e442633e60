"""How bright a frame is against its golden image: one gain and one offset, from where the golden image is flat.

The two need not lie on each other to the pixel: only points with a flat neighbourhood count, so that a jittering edge
says nothing. They are split into dark, middle and bright by thirds of their range, and the line goes through two
medians, of the dark and of the bright: a defect matters only once it fills half of either. (The same thought as Tukey's
resistant line, "Exploratory Data Analysis", 1977, chapter 10.) All that is of the golden image is known beforehand.
"""

from __future__ import annotations

from math import isqrt
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.modules.reference.planes.heat import envelope
from workers.modules.reference.planes.sheets import Plane

_POINTS = 16_384  # enough for medians, and looked at in a tenth of a millisecond
_MIN_POINTS = 64
_FLAT_LEVELS = 16  # noise and JPEG move a flat surface by less
_TAIL = 0.02  # of the points at either end do not count for the range: dust and glare
_MIN_RANGE_LEVELS = 32  # with less contrast, gain and offset cannot be told apart
_HALF_A_LEVEL = 0.5


class _End(NamedTuple):
    """The dark or the bright points of the golden plane: where in the grid, and their median level."""

    points: NDArray[np.intp]
    level: float


class Lighting:
    """Tells how bright frames are against one golden plane."""

    def __init__(self, golden: Plane, radius_px: int, margin_px: int, limit: float) -> None:
        """Look at `golden`, (h, w).

        Args:
            golden: the golden plane.
            radius_px: how far around a point it must be flat.
            margin_px: by how much frames may be moved.
            limit: in parts of 1: how far the gain may be from 1, and the dark and the bright from their golden levels
                in parts of 255. What a frame has beyond that stays different.
        """
        self._limit = limit
        self._stride = max(1, isqrt(golden.size // _POINTS))
        self._margins_px = [min(margin_px, (length - 1) // 2) for length in golden.shape]
        levels, darkest, brightest = (self._at_points(plane) for plane in (golden, *envelope(golden, radius_px)))
        flat = np.flatnonzero(brightest - darkest <= _FLAT_LEVELS)
        if flat.size < _MIN_POINTS:
            flat = np.arange(levels.size)
        levels = levels[flat]
        low, high = _level(levels, _TAIL), _level(levels, 1 - _TAIL)
        third = (high - low) / 3
        ends = (levels <= low + third, levels >= high - third)
        self._ends = [_End(flat[end], _level(levels[end], 0.5)) for end in ends]
        self._has_range = high - low >= _MIN_RANGE_LEVELS

    def gain_and_offset(self, frame: Plane, shift: tuple[int, int]) -> tuple[float, float]:
        """Return gain and offset of `frame` = gain * golden + offset, moved by about `shift` (dx, dy).

        `frame` is (h, w) uint8.
        """
        levels = self._at_points(frame, shift)
        golden_dark, golden_bright = (end.level for end in self._ends)
        dark, bright = (
            min(max(_level(levels[end.points], 0.5), end.level - 255 * self._limit), end.level + 255 * self._limit)
            for end in self._ends
        )
        gain = (bright - dark) / (golden_bright - golden_dark) if self._has_range else 1.0
        gain = min(max(gain, 1 / (1 + self._limit)), 1 + self._limit)
        return gain, (dark + bright - gain * (golden_dark + golden_bright)) / 2

    def _at_points(self, plane: Plane, shift: tuple[int, int] = (0, 0)) -> NDArray[np.uint8]:
        """Return the levels of all points of the grid, in one row."""
        starts = (
            margin_px + max(-margin_px, min(by, margin_px))
            for margin_px, by in zip(self._margins_px, reversed(shift), strict=True)
        )
        rows, columns = (
            slice(start, start + length - 2 * margin_px, self._stride)
            for start, length, margin_px in zip(starts, plane.shape, self._margins_px, strict=True)
        )
        return plane[rows, columns].ravel()


def normalised(frame: Plane, gain: float, offset: float, out: Plane) -> Plane:
    """Return `frame`, (h, w) uint8, as bright as the golden plane, to the nearest level: itself or written to `out`."""
    if abs(1 / gain - 1) * 255 + abs(offset / gain) < _HALF_A_LEVEL:
        return frame
    # the one saturating linear function of OpenCV that is vectorised: the second term has weight 0
    cv2.addWeighted(frame, 1 / gain, frame, 0.0, -offset / gain, dst=out)
    return out


def _level(levels: NDArray[np.uint8], share: float) -> float:
    """Return the level up to which `share` of `levels` lie: by counting, several times faster than sorting."""
    up_to = np.cumsum(np.bincount(levels, minlength=256))
    return float(np.searchsorted(up_to, share * levels.size))
