"""How a picture's score is made of the heat of its places, the same wherever one is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HOTTEST_SHARE = 0.002  # a defect is some places wide; the one hottest of all is more often noise
_HOTTEST_LEAST = 3


def within(heat: NDArray[np.float32], mask: NDArray[np.uint8] | None) -> NDArray[np.float32]:
    """Return `heat`, (rows, columns), 0 where nothing of a place lies in the `mask` of its picture, (h, w), if any."""
    if mask is None:
        return heat
    rows, columns = heat.shape
    there = np.asarray(cv2.resize(mask, (columns, rows), interpolation=cv2.INTER_AREA))
    inside: NDArray[np.float32] = np.where(there > 0, heat, np.float32(0))
    return inside


def score_of(heat: NDArray[np.float32]) -> float:
    """Return the mean of the hottest places of `heat`, (rows, columns) float32: 0.2 percent of them, at least three."""
    flat = heat.ravel()
    count = min(flat.size, max(_HOTTEST_LEAST, round(flat.size * _HOTTEST_SHARE)))
    return float(np.partition(flat, flat.size - count)[flat.size - count :].mean())
