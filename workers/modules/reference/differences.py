"""From heat to defects: hot pixels that lie close together are one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.modules.reference.heat import HEAT_THRESHOLD
from workers.modules.reference.patches import Cells, high_cells, high_points, joined
from workers.modules.reference.planes import CELL_PX, Plane, Workspace

# What differs in more pixels is not this part at all; to tell its defects apart would take longer than a frame may.
_MOST_POINTS = 200_000

_Numbers = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Blob:
    """One defect: bounding box and area in px, mean heat in 0..1, and by how many levels it is what, on average."""

    x: int
    y: int
    width: int
    height: int
    area_px: int
    heat: float
    brighter: float
    darker: float
    tinted: float


def find_blobs(scratch: Workspace, min_area_px: int) -> list[Blob]:
    """Return the defects in a comparison, top to bottom by their first row of cells, then left to right.

    What is smaller than `min_area_px` is none: its heat is lowered below the threshold, in proportion to its area.
    """
    cells = high_cells(scratch.padded_heat)
    if CELL_PX**2 * np.count_nonzero(cells) > _MOST_POINTS:
        hot = cv2.threshold(scratch.heat, HEAT_THRESHOLD - 1, 255, cv2.THRESH_BINARY)[1]
        count = cv2.countNonZero(hot)
        if count > max(_MOST_POINTS, min_area_px):
            return [_whole(scratch, cast("Plane", hot), count)]
    return _separate(scratch, cells, min_area_px) if cells.any() else []


def _whole(scratch: Workspace, hot: Plane, count: int) -> Blob:
    """Return one blob of all that is hot."""
    heat, brighter, darker = (cv2.mean(plane, hot)[0] for plane in (scratch.heat, scratch.brighter, scratch.darker))
    x, y, width, height = cv2.boundingRect(hot)
    return Blob(x, y, width, height, count, heat / 255, brighter, darker, cv2.mean(scratch.tinted)[0])


def _separate(scratch: Workspace, cells: Cells, min_area_px: int) -> list[Blob]:
    """Return the blobs of what is hot, and lower the heat of those that are too small.

    By their cells, pieces with up to 11 px between them are one for certain, with 15 px never.
    """
    y, x = high_points(scratch.padded_heat, cells)
    owner = joined(cells)[y // CELL_PX, x // CELL_PX].astype(np.intp) - 1
    area = np.bincount(owner)
    count = area.size
    seen = (scratch.heat[y, x], scratch.brighter[y, x], scratch.darker[y, x], _tinted(scratch, y, x))
    means = np.stack([np.bincount(owner, levels, count) for levels in seen]) / area
    left, top = (_lowest(values, owner, count) for values in (x, y))
    right, bottom = (-_lowest(-values, owner, count) for values in (x, y))
    small = area < min_area_px
    lowered = small[owner]
    scratch.heat[y[lowered], x[lowered]] = (HEAT_THRESHOLD - 1) * area[owner[lowered]] // min_area_px
    boxes = np.stack((left, top, right - left + 1, bottom - top + 1, area), axis=1)
    return [
        Blob(x, y, width, height, size, heat / 255, brighter, darker, tinted)
        for (x, y, width, height, size), (heat, brighter, darker, tinted) in zip(
            boxes[~small].tolist(), means.T[~small].tolist(), strict=True
        )
    ]


def _tinted(scratch: Workspace, y: _Numbers, x: _Numbers) -> NDArray[np.uint8]:
    """Return by how many levels either chroma differs at points; an odd last row or column has that beside it."""
    height, width = scratch.tinted.shape
    if not height or not width:
        return np.zeros(y.size, np.uint8)
    return scratch.tinted[np.minimum(y // 2, height - 1), np.minimum(x // 2, width - 1)]


def _lowest(values: _Numbers, owner: _Numbers, count: int) -> _Numbers:
    """Return the lowest of the values of each owner, of whom all have one."""
    lowest = np.full(count, np.iinfo(values.dtype).max, values.dtype)
    np.minimum.at(lowest, owner, values)
    return lowest
