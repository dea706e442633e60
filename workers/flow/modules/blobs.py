"""From heat to defects: hot pixels that lie close together are one."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.flow.modules.golden import HEAT_THRESHOLD, Scratch

_CELL_PX = 4  # pieces of a defect up to 8 px apart are joined for certain, none that are 12 px apart

_Numbers = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Blob:
    """One defect: bounding box and area in px, mean heat of its pixels and share of brighter ones, both in 0..1."""

    x: int
    y: int
    width: int
    height: int
    area_px: int
    heat: float
    brighter: float


def find_blobs(scratch: Scratch, min_area_px: int) -> list[Blob]:
    """Return the defects in a comparison, top to bottom by their first row of cells, then left to right.

    What is smaller than `min_area_px` is none: its heat is lowered below the threshold, in proportion to its area.
    """
    _, hot = cv2.threshold(scratch.heat, HEAT_THRESHOLD - 1, 255, cv2.THRESH_BINARY)
    if not cv2.countNonZero(hot):
        return []
    x, y = (axis.astype(np.intp) for axis in cv2.findNonZero(hot).reshape(-1, 2).T)
    owner, count = _owners(x, y, scratch.shape)
    area = np.bincount(owner, minlength=count)
    small = area < min_area_px
    lowered = small[owner]
    scratch.heat[y[lowered], x[lowered]] = (HEAT_THRESHOLD - 1) * area[owner[lowered]] // min_area_px
    left, top = (_lowest(values, owner, count) for values in (x, y))
    right, bottom = (-_lowest(-values, owner, count) for values in (x, y))
    heat = np.bincount(owner, scratch.heat[y, x], count) / area / 255
    is_brighter = scratch.brighter[y, x] > scratch.darker[y, x]
    brighter = np.bincount(owner, is_brighter, count) / area
    return [
        Blob(
            int(left[i]),
            int(top[i]),
            int(right[i] - left[i] + 1),
            int(bottom[i] - top[i] + 1),
            int(area[i]),
            float(heat[i]),
            float(brighter[i]),
        )
        for i in np.flatnonzero(~small)
    ]


def _owners(x: _Numbers, y: _Numbers, shape: tuple[int, int]) -> tuple[_Numbers, int]:
    """Return the number of the blob that each point belongs to, from 0, and how many there are."""
    cells = np.zeros((shape[0] // _CELL_PX + 1, shape[1] // _CELL_PX + 1), np.uint8)
    cell = (y // _CELL_PX, x // _CELL_PX)
    cells[cell] = 1
    count, labels = cv2.connectedComponents(cv2.dilate(cells, np.ones((3, 3), np.uint8)), connectivity=8)
    return labels[cell].astype(np.intp) - 1, count - 1


def _lowest(values: _Numbers, owner: _Numbers, count: int) -> _Numbers:
    """Return the lowest of the values of each owner, of whom all have one."""
    lowest = np.full(count, np.iinfo(values.dtype).max, values.dtype)
    np.minimum.at(lowest, owner, values)
    return lowest
