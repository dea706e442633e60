"""The heat of a comparison as clients see it: 0 where nothing differs, 0.5 at the threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.modules.reference.planes.heat import HEAT_THRESHOLD, blank

if TYPE_CHECKING:
    from workers.modules.reference.differences import Hot
    from workers.modules.reference.golden import Comparison

THRESHOLD = HEAT_THRESHOLD / 255

# For levels of 0..255: squared below the threshold. Pictures show it from 0.36, so noise is not seen in them.
_SHOWN = np.arange(256, dtype=np.float32) / 255
_SHOWN[:HEAT_THRESHOLD] *= _SHOWN[:HEAT_THRESHOLD] / THRESHOLD


class Shown:
    """The heat of one frame: `heat` is (h, w) float32 in 0..1, `highest` the most in it."""

    def __init__(self, comparison: Comparison, shape: tuple[int, int]) -> None:
        """Show what is below the threshold in a frame of `shape` (h, w)."""
        # memory that nobody writes to is never fetched
        self.heat: NDArray[np.float32] = np.zeros(shape, np.float32)
        self.highest = 0.0
        if comparison.heat is None:
            return
        patches = comparison.patches
        below = cv2.threshold(comparison.heat, HEAT_THRESHOLD - 1, 0, cv2.THRESH_TOZERO_INV)[1]
        strip = cast("NDArray[np.float32]", cv2.LUT(below, _SHOWN))
        patches.paste(strip, self.heat)
        if patches.touch(comparison.blind):
            blank(self.heat, comparison.blind)
            self.highest = cv2.minMaxLoc(self.heat)[1]
        else:
            self.highest = float(patches.inner(strip).max())

    def put(self, hot: Hot) -> None:
        """Show pixels that are hot, or were found to be too few."""
        self.heat[hot.y, hot.x] = seen = _SHOWN[hot.heat]
        self.highest = max(self.highest, float(seen.max()))
