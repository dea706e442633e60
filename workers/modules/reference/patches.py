"""The places of a frame that are looked at once more: cut out, laid side by side into one strip, and put back.

Hardly a hundredth of a frame differs at all, in many places. A strip of them is looked at by the same few calls as a
frame, and in as much less time.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

import cv2
import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from workers.modules.reference.planes import CELL_PX, Plane

_RIM_PX = 1  # a vote reaches one pixel beyond the cell
_HIGH_BIT = 0x80

Cells = NDArray[np.uint8]  # (rows, columns), 0 or 1, of CELL_PX x CELL_PX pixels each
Points = NDArray[np.intp]
_Level = TypeVar("_Level", np.uint8, np.float32)


class Patches:
    """Squares around cells of a frame, with so much around them that their inner part can be made out."""

    def __init__(self, cells: Cells, shape: tuple[int, int], around_px: int) -> None:
        """Take all cells that are 1 of a frame of `shape` (h, w); only where it `fits`."""
        self._side_px = _side_px(around_px)
        self._around_px = around_px
        row, column = where(cells)
        self._y, self._x = (
            np.clip(at * CELL_PX - _RIM_PX - around_px, 0, length - self._side_px)
            for at, length in zip((row, column), shape, strict=True)
        )

    def __len__(self) -> int:
        """How many there are."""
        return self._y.size

    @staticmethod
    def fits(shape: tuple[int, int], around_px: int) -> bool:
        """Tell whether a square goes into a frame of `shape`."""
        return min(shape) >= _side_px(around_px)

    def cut(self, plane: Plane) -> Plane:
        """Return all squares of `plane`, (h, w), side by side; what is calculated in it holds in their inner parts."""
        cut = _squares(plane, self._side_px)[self._y, self._x].transpose(1, 0, 2)
        return np.ascontiguousarray(cut).reshape(self._side_px, -1)

    def paste(self, strip: NDArray[_Level], out: NDArray[_Level]) -> None:
        """Put the inner parts of all squares of a strip back to where they were cut."""
        inner = slice(self._around_px, self._side_px - self._around_px)
        squares = strip.reshape(self._side_px, -1, self._side_px)[inner, :, inner].transpose(1, 0, 2)
        side_px = self._side_px - 2 * self._around_px
        _squares(out, side_px)[self._y + self._around_px, self._x + self._around_px] = squares


def _side_px(around_px: int) -> int:
    return CELL_PX + 2 * (_RIM_PX + around_px)


def _squares(plane: NDArray[Any], side_px: int) -> NDArray[Any]:
    """Return a view of all squares of `side_px`, (y, x, side, side)."""
    (height, width), strides = plane.shape, plane.strides
    return as_strided(plane, (height - side_px + 1, width - side_px + 1, side_px, side_px), (*strides, *strides))


def where(cells: Cells) -> tuple[Points, Points]:
    """Return rows and columns of all that is not 0."""
    found = cv2.findNonZero(cells)
    if found is None:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    x, y = found.reshape(-1, 2).T.astype(np.intp)
    return y, x


def high_cells(padded: Plane) -> Cells:
    """Return in which cells of a plane, whose sides are full of cells, some level is 128 or more."""
    rows = padded[0::CELL_PX]
    for offset in range(1, CELL_PX):
        rows = cast("Plane", cv2.max(rows, padded[offset::CELL_PX]))
    # the pixels of a row of a cell are read as one number
    high: Cells = ((rows.view(np.uint32) & np.uint32(_HIGH_BIT * 0x01010101)) != 0).view(np.uint8)
    return high


def high_points(padded: Plane, cells: Cells) -> tuple[Points, Points]:
    """Return y and x of all levels of 128 or more, read from their cells only."""
    height, width = padded.shape
    row, column = where(cells)
    squares = padded.reshape(height // CELL_PX, CELL_PX, width // CELL_PX, CELL_PX)[row, :, column]
    found = np.flatnonzero(squares >= _HIGH_BIT)
    which, within = found // CELL_PX**2, found % CELL_PX**2
    return row[which] * CELL_PX + within // CELL_PX, column[which] * CELL_PX + within % CELL_PX


def joined(cells: Cells) -> NDArray[np.int32]:
    """Return a label for each cell that is 1 or beside one, from 1: those that touch each other have the same."""
    return cast("NDArray[np.int32]", cv2.connectedComponents(cv2.dilate(cells, np.ones((3, 3), np.uint8)))[1])
