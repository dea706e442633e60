"""The places of a frame that are looked at once more: cut out, laid side by side into one strip, and found again.

Hardly a hundredth of a frame differs at all, in many places. A strip of them is looked at by the same few calls as a
frame, and in as much less time. Where more differs, the strip is the frame itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar, cast

import cv2
import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from workers.modules.reference.planes.moved import Area
from workers.modules.reference.planes.sheets import Plane

CELL_PX = 4

_RIM_PX = 1  # a vote reaches one pixel beyond the cell
_MOST_CELLS = 1 / 16  # of all: with more, all of a frame at once takes no longer

Cells = NDArray[np.uint8]  # (rows, columns), not 0 where one is taken, of CELL_PX x CELL_PX pixels each
Numbers = NDArray[np.intp]
_Level = TypeVar("_Level", np.uint8, np.float32)


class Places(NamedTuple):
    """Pixels of a frame, each once, and where in a strip, read as one row, they were seen; (n,) each."""

    y: Numbers
    x: Numbers
    seen: Numbers


class Patches:
    """Squares around cells of a frame, with so much around them that their inner part can be made out."""

    def __init__(self, cells: Cells, shape: tuple[int, int], around_px: int) -> None:
        """Take what lies around `cells` of a frame of `shape` (h, w)."""
        self._around_px = around_px
        self._side_px = CELL_PX + 2 * (_RIM_PX + around_px)
        row, column = (axis * CELL_PX - _RIM_PX - around_px for axis in where(cells))
        # beside the border, where nothing is known of a pixel's surroundings, the inner part lies beside its cell
        self._y, self._x = (
            np.minimum(np.maximum(at, 0), length - self._side_px)
            for at, length in zip((row, column), shape, strict=True)
        )
        self._width_px = shape[1]

    def cut(self, plane: Plane) -> Plane:
        """Return all squares of `plane`, (h, w), side by side; what is calculated in it holds in their inner parts."""
        cut = _squares(plane, self._side_px)[self._y, self._x].transpose(1, 0, 2)
        return np.ascontiguousarray(cut).reshape(self._side_px, -1)

    def paste(self, strip: NDArray[_Level], out: NDArray[_Level]) -> None:
        """Put the inner parts of all squares of a strip back into `out`, (h, w), to where they were cut."""
        side_px = self._side_px - 2 * self._around_px
        _squares(out, side_px)[self._y + self._around_px, self._x + self._around_px] = self.inner(strip).transpose(
            1, 0, 2
        )

    def places(self, strip: Plane, least: int) -> Places:
        """Return where the inner parts of a strip, (h, w) uint8, have a level of `least` or more."""
        y, number, x = np.nonzero(self.inner(strip) >= least)
        y, x = y + self._around_px, x + self._around_px
        seen = (y * self._y.size + number) * self._side_px + x
        y, x = y + self._y[number], x + self._x[number]
        _, first = np.unique(y * self._width_px + x, return_index=True)
        return Places(y[first], x[first], seen[first])

    def touch(self, areas: Iterable[Area]) -> bool:
        """Tell whether some inner part reaches into one of `areas`."""
        around_px, end_px = self._around_px, self._side_px - self._around_px
        return any(
            (
                (self._y + around_px < bottom)
                & (self._y + end_px > top)
                & (self._x + around_px < right)
                & (self._x + end_px > left)
            ).any()
            for top, bottom, left, right in areas
        )

    def inner(self, strip: NDArray[_Level]) -> NDArray[_Level]:
        """Return the inner parts of a strip, (h, w), as (height, number, width) of the squares."""
        inner = slice(self._around_px, self._side_px - self._around_px)
        return strip.reshape(self._side_px, -1, self._side_px)[inner, :, inner]


class WholeFrame:
    """The same where all of a frame is looked at once more."""

    def cut(self, plane: Plane) -> Plane:
        """Return the plane, (h, w) uint8."""
        return plane

    def inner(self, strip: NDArray[_Level]) -> NDArray[_Level]:
        """Return the plane, (h, w)."""
        return strip

    def paste(self, strip: NDArray[_Level], out: NDArray[_Level]) -> None:
        """Copy the plane, (h, w), to `out`."""
        out[:] = strip

    def touch(self, areas: Iterable[Area]) -> bool:
        """Tell whether there are `areas` at all."""
        return any(True for _ in areas)

    def places(self, strip: Plane, least: int) -> Places:
        """Return where a plane, (h, w) uint8, has a level of `least` or more."""
        y, x = np.nonzero(strip >= least)
        return Places(y, x, y * strip.shape[1] + x)


def patches_around(cells: Cells, shape: tuple[int, int], around_px: int) -> Patches | WholeFrame:
    """Return the places around `cells` of a frame of `shape` (h, w), or all of it where that is quicker."""
    few = np.count_nonzero(cells) <= _MOST_CELLS * cells.size
    fits = min(shape) >= CELL_PX + 2 * (_RIM_PX + around_px)
    return Patches(cells, shape, around_px) if few and fits else WholeFrame()


def _squares(plane: NDArray[Any], side_px: int) -> NDArray[Any]:
    """Return a view of all squares of `side_px`, (y, x, side, side)."""
    (height, width), strides = plane.shape, plane.strides
    return as_strided(plane, (height - side_px + 1, width - side_px + 1, side_px, side_px), (*strides, *strides))


def where(cells: Cells) -> tuple[Numbers, Numbers]:
    """Return rows and columns, (n,) each, of all that is not 0."""
    found = cv2.findNonZero(cells)
    if found is None:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    x, y = found.reshape(-1, 2).T.astype(np.intp)
    return y, x


def cells_of(padded: Plane) -> Cells:
    """Return in which cells of a plane, (h, w) uint8, whose sides are full of cells, some level is not 0."""
    rows = padded[0::CELL_PX]
    for offset in range(1, CELL_PX):
        rows = cast("Plane", cv2.bitwise_or(rows, padded[offset::CELL_PX]))
    # the pixels of a row of a cell are read as one number
    taken: Cells = (rows.view(np.uint32) != 0).view(np.uint8)
    return taken


def owners(y: Numbers, x: Numbers) -> Numbers:
    """Return the number of what each pixel belongs to, (n,) from 0: what lies close together is one.

    By their cells, pieces with up to 11 px between them are one for certain, with 15 px never.
    """
    if not y.size:
        return np.empty(0, np.intp)
    rows, columns = y // CELL_PX, x // CELL_PX
    # only as much as has some, and one around
    cell = rows - rows.min() + 1, columns - columns.min() + 1
    cells = np.zeros((cell[0].max() + 2, cell[1].max() + 2), np.uint8)
    cells[cell] = 1
    labels = cv2.connectedComponents(cv2.dilate(cells, np.ones((3, 3), np.uint8)))[1]
    owner: Numbers = labels[cell].astype(np.intp) - 1
    return owner
