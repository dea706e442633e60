"""From heat to defects: hot pixels that lie close together are one."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.modules.reference.golden import HEAT_THRESHOLD, Workspace

_CELL_PX = 4  # pieces of a defect with up to 11 px between them are joined for certain, with 15 px never
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
    hot = scratch.part
    cv2.threshold(scratch.heat, HEAT_THRESHOLD - 1, 255, cv2.THRESH_BINARY, dst=hot)
    count = cv2.countNonZero(hot)
    if count > max(_MOST_POINTS, min_area_px):
        return [_whole(scratch, hot, count)]
    return _separate(scratch, hot, min_area_px) if count else []


def _whole(scratch: Workspace, hot: NDArray[np.uint8], count: int) -> Blob:
    """Return one blob of all that is hot."""
    heat, brighter, darker, tinted = (cv2.mean(plane, hot)[0] for plane in _measured(scratch))
    x, y, width, height = cv2.boundingRect(hot)
    return Blob(x, y, width, height, count, heat / 255, brighter, darker, tinted)


def _separate(scratch: Workspace, hot: NDArray[np.uint8], min_area_px: int) -> list[Blob]:
    """Return the blobs of what is hot, and lower the heat of those that are too small."""
    x, y = (axis.astype(np.intp) for axis in cv2.findNonZero(hot).reshape(-1, 2).T)
    owner, count = _owners(x, y, scratch.shape)
    area = np.bincount(owner, minlength=count)
    means = np.stack([np.bincount(owner, plane[y, x], count) for plane in _measured(scratch)]) / area
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


def _measured(scratch: Workspace) -> tuple[NDArray[np.uint8], ...]:
    return (scratch.heat, scratch.brighter, scratch.darker, scratch.tinted)


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
