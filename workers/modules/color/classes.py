"""Which class a colour is of: the nearest of those that take it, looked up once a colour has been met."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.context.run import LookAtTime
    from workers.modules.color.options import ColorClass

_Colors = NDArray[np.float32]

NONE = 1  # of no class; the classes come behind, in their order
_UNKNOWN = 0
_BLOCK_PX = 1 << 16  # so much stays in a core's own cache
_PERCENT = np.array([1, 100, 100], np.float32)
_SLACK = 1e-3  # of degrees and percent: floats at a limit are inside


class ColorTable:
    """The class of each of 2^24 colours, filled in as colours are met. Memory is taken for colours that occur only."""

    def __init__(self, classes: Sequence[ColorClass]) -> None:
        self._classes = classes
        self._references = [_lab(_references(each)) for each in classes]
        self._table = np.zeros(1 << 24, np.uint8)

    def classified(self, window: NDArray[np.uint8], look_at_time: LookAtTime) -> NDArray[np.uint8]:
        """Return (h, w) uint8: NONE, or the place of the class from NONE + 1.

        `window` is (h, w) grey or (h, w, 3) BGR, uint8.
        """
        height, width = window.shape[:2]
        found = np.empty((height, width), np.uint8)
        code = cv2.COLOR_GRAY2BGRA if window.ndim == 2 else cv2.COLOR_BGR2BGRA
        rows = max(_BLOCK_PX // width, 1)
        for top in range(0, height, rows):
            look_at_time()
            # four bytes are one number, its lower three the colour
            colors = cv2.cvtColor(window[top : top + rows], code).view("<u4")[:, :, 0] & 0xFFFFFF
            block = self._table[colors]
            if not block.all():
                self._learn(colors[block == _UNKNOWN])
                block = self._table[colors]
            found[top : top + rows] = block
        return found

    def _learn(self, colors: NDArray[np.uint32]) -> None:
        """Fill in what class `colors`, (n,) as red * 65,536 + green * 256 + blue, are of."""
        colors = np.unique(colors)
        bgr = colors[:, None].view(np.uint8).reshape(-1, 4)[:, :3].astype(np.float32)
        lab = _lab(bgr)
        nearest = np.full(len(colors), np.inf, np.float32)
        winner = np.full(len(colors), NONE, np.uint8)
        for number, (each, references) in enumerate(zip(self._classes, self._references, strict=True), NONE + 1):
            distance = _delta_e(lab, references)
            better = _takes(each, bgr, distance) & (distance < nearest)
            nearest[better], winner[better] = distance[better], number
        self._table[colors] = winner


def _takes(each: ColorClass, bgr: _Colors, distance: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell of each colour, (n, 3) in levels, whether it is one of the class."""
    if each.tolerance is not None:
        return distance <= each.tolerance
    if each.bgr_min is not None:
        return cast("NDArray[np.bool_]", _between(bgr, each.bgr_min, each.bgr_max).all(axis=1))
    hsv = cv2.cvtColor(bgr[None] / np.float32(255), cv2.COLOR_BGR2HSV)[0] * _PERCENT
    inside = _between(hsv, each.hsv_min, each.hsv_max)
    from_hue, to_hue = _row(each.hsv_min)[0], _row(each.hsv_max)[0]
    if from_hue > to_hue:
        inside[:, 0] = (hsv[:, 0] >= from_hue - _SLACK) | (hsv[:, 0] <= to_hue + _SLACK)
    return cast("NDArray[np.bool_]", inside.all(axis=1))


def _between(
    colors: NDArray[np.floating[Any]], least: Sequence[float] | None, most: Sequence[float] | None
) -> NDArray[np.bool_]:
    """Tell of each number of `colors`, (n, 3), whether it lies between the limits of its channel."""
    return (colors >= _row(least) - _SLACK) & (colors <= _row(most) + _SLACK)


def _references(each: ColorClass) -> _Colors:
    """Return the colours that distance is measured from, (n, 3) BGR in levels: samples, or the middle of a range."""
    if each.samples_bgr is not None:
        return np.array(each.samples_bgr, np.float32)
    if each.bgr_min is not None:
        return cast("_Colors", ((_row(each.bgr_min) + _row(each.bgr_max)) / 2)[None])
    low, high = _row(each.hsv_min), _row(each.hsv_max)
    if low[0] > high[0]:
        high[0] += 360
    middle = (low + high) / 2
    middle[0] %= 360
    return cast("_Colors", cv2.cvtColor((middle / _PERCENT)[None, None], cv2.COLOR_HSV2BGR)[0] * 255)


def _row(values: Sequence[float] | None) -> _Colors:
    """Return a colour of the options; a class has both ends of its range."""
    return np.array(values, np.float32)


def _lab(bgr: _Colors) -> _Colors:
    """Return colours, (n, 3) BGR in levels of sRGB, in CIELAB: lightness 0 to 100, a, b."""
    return cast("_Colors", cv2.cvtColor(bgr[None] / np.float32(255), cv2.COLOR_BGR2Lab)[0])


def _delta_e(lab: _Colors, references: _Colors) -> NDArray[np.float32]:
    """Return how far each colour is from the nearest reference, as delta E of 1976: the distance in CIELAB."""
    nearest = np.full(len(lab), np.inf, np.float32)
    for reference in references:
        np.minimum(nearest, np.linalg.norm(lab - reference, axis=1), out=nearest)
    return nearest
