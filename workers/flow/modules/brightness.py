"""How bright a frame is against its golden image: one gain and one offset, found where both are flat.

Only points whose whole neighbourhood is flat in the golden image count, so that a shifted edge says nothing. The line
goes through two medians, of the dark points and of the bright ones: up to half of either may be defects. (The same
thought as Tukey's resistant line, "Exploratory Data Analysis", 1977, chapter 10, with thirds of the range.)
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_STRIDE_PX = 8  # 30,000 points of a 1920x1024 frame: enough for a median, and read in a tenth of a millisecond
_FLAT_LEVELS = 16  # noise and JPEG move a flat surface by less
_MIN_POINTS = 64
_MIN_SPAN_LEVELS = 32  # with less contrast, gain and offset cannot be told apart


class Brightness:
    """Maps one plane of a frame, (h, w) uint8, to the brightness of the golden plane that it was made from."""

    def __init__(self, golden: NDArray[np.uint8], reach_px: int, limit: float) -> None:
        """Choose the points to look at.

        Args:
            golden: (h, w) uint8.
            reach_px: how far the content of a frame may lie beside that of `golden`.
            limit: largest deviation of the gain from 1, and of the offset in parts of 255; both ways.
        """
        points = golden[::_STRIDE_PX, ::_STRIDE_PX]
        flat = _flat(golden, reach_px)[::_STRIDE_PX, ::_STRIDE_PX]
        if np.count_nonzero(flat) < _MIN_POINTS:
            flat = np.ones_like(flat)
        low, high = (float(level) for level in np.percentile(points[flat], (2, 98)))
        third = (high - low) / 3
        self._limit = limit
        self._has_contrast = high - low >= _MIN_SPAN_LEVELS
        self._dark = flat & (points <= low + third)
        self._bright = flat & (points >= high - third)
        self._golden_dark, self._golden_bright = self._medians(golden)

    def normalise(self, frame: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        """Write `frame`, (h, w) uint8, to `out` as bright as the golden plane, to the nearest level."""
        gain, offset = self._gain_and_offset(frame)
        # the one saturating linear function of OpenCV that is vectorised: the second term has weight 0
        cv2.addWeighted(frame, 1 / gain, frame, 0.0, -offset / gain, dst=out)

    def _gain_and_offset(self, frame: NDArray[np.uint8]) -> tuple[float, float]:
        """Return gain and offset of `frame` = gain * golden + offset, within the limits."""
        dark, bright = self._medians(frame)
        gain = 1.0
        if self._has_contrast:
            gain = (bright - dark) / (self._golden_bright - self._golden_dark)
        gain = min(max(gain, 1 / (1 + self._limit)), 1 + self._limit)
        offset = (dark + bright - gain * (self._golden_dark + self._golden_bright)) / 2
        return gain, min(max(offset, -255 * self._limit), 255 * self._limit)

    def _medians(self, plane: NDArray[np.uint8]) -> tuple[float, float]:
        points = plane[::_STRIDE_PX, ::_STRIDE_PX]
        return _median(points[self._dark]), _median(points[self._bright])


def _flat(golden: NDArray[np.uint8], reach_px: int) -> NDArray[np.bool_]:
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (2 * reach_px + 1, 2 * reach_px + 1))
    span = cv2.subtract(cv2.dilate(golden, kernel), cv2.erode(golden, kernel))
    return span <= _FLAT_LEVELS


def _median(levels: NDArray[np.uint8]) -> float:
    """Return the upper median, by counting: several times faster than sorting."""
    below = np.cumsum(np.bincount(levels, minlength=256))
    return float(np.searchsorted(below, levels.size // 2, side="right"))
