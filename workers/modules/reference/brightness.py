"""How bright a frame is against its golden image: one gain and one offset, from where the golden image is flat.

The two lie on each other already. Only points with a flat neighbourhood count, so that a jittering edge says nothing.
They are split into dark, middle and bright by thirds of their range, and the line goes through two medians, of the
dark and of the bright: a defect matters only once it fills half of either. (The same thought as Tukey's resistant
line, "Exploratory Data Analysis", 1977, chapter 10.)
"""

from __future__ import annotations

from math import isqrt

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]  # (h, w)

_POINTS = 16_384  # enough for medians, and looked at in a third of a millisecond
_MIN_POINTS = 64
_FLAT_LEVELS = 16  # noise and JPEG move a flat surface by less
_TAIL = 0.02  # of the points at either end do not count for the range: dust and glare
_MIN_RANGE_LEVELS = 32  # with less contrast, gain and offset cannot be told apart


def gain_and_offset(frame: Plane, golden: Plane, span: tuple[Plane, Plane], limit: float) -> tuple[float, float]:
    """Return gain and offset of `frame` = gain * `golden` + offset.

    Args:
        frame: the plane to judge, (h, w) uint8, as all of them.
        golden: the golden plane, aligned with it.
        span: the darkest and the brightest golden level in the neighbourhood of each pixel.
        limit: in parts of 1: how far the gain may be from 1, and the dark and the bright from their golden levels in
            parts of 255. What a frame has beyond that stays different.
    """
    stride = max(1, isqrt(frame.size // _POINTS))
    levels, golden_levels, darkest, brightest = (plane[::stride, ::stride] for plane in (frame, golden, *span))
    flat = brightest - darkest <= _FLAT_LEVELS
    if np.count_nonzero(flat) < _MIN_POINTS:
        flat = np.ones_like(flat)
    levels, golden_levels = levels[flat], golden_levels[flat]
    low, high = _level(golden_levels, _TAIL), _level(golden_levels, 1 - _TAIL)
    third = (high - low) / 3
    ends = (golden_levels <= low + third, golden_levels >= high - third)
    golden_dark, golden_bright = (_level(golden_levels[end], 0.5) for end in ends)
    dark, bright = (
        min(max(_level(levels[end], 0.5), level - 255 * limit), level + 255 * limit)
        for end, level in zip(ends, (golden_dark, golden_bright), strict=True)
    )
    gain = (bright - dark) / (golden_bright - golden_dark) if high - low >= _MIN_RANGE_LEVELS else 1.0
    gain = min(max(gain, 1 / (1 + limit)), 1 + limit)
    return gain, (dark + bright - gain * (golden_dark + golden_bright)) / 2


def normalise(frame: Plane, gain: float, offset: float, out: Plane) -> None:
    """Write `frame` to `out`, both (h, w) uint8, as bright as the golden plane, to the nearest level."""
    # the one saturating linear function of OpenCV that is vectorised: the second term has weight 0
    cv2.addWeighted(frame, 1 / gain, frame, 0.0, -offset / gain, dst=out)


def _level(levels: NDArray[np.uint8], share: float) -> float:
    """Return the level up to which `share` of `levels` lie: by counting, several times faster than sorting."""
    up_to = np.cumsum(np.bincount(levels, minlength=256))
    return float(np.searchsorted(up_to, share * levels.size))
