"""A golden plane put where the frame has it, block by block, and what of the frame it says nothing about."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby, pairwise
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.modules.reference.planes.align import Shifts
from workers.modules.reference.planes.sheets import Plane

Area = tuple[int, int, int, int]  # top, bottom, left, right in px


def outside(y: NDArray[np.intp], x: NDArray[np.intp], areas: Iterable[Area]) -> NDArray[np.bool_]:
    """Tell of each pixel, (n,) rows and columns, whether it lies in none of `areas`."""
    inside = np.zeros(y.size, np.bool_)
    for top, bottom, left, right in areas:
        inside |= (y >= top) & (y < bottom) & (x >= left) & (x < right)
    return ~inside


def wider(area: Area, by_px: int, shape: tuple[int, int]) -> Area:
    """Return `area` wider on all sides, as far as an image of `shape` (h, w) goes."""
    top, bottom, left, right = area
    return max(0, top - by_px), min(bottom + by_px, shape[0]), max(0, left - by_px), min(right + by_px, shape[1])


class MovableLuma:
    """A golden luma plane with a margin all around, so that a window of it can be taken at any shift."""

    def __init__(self, plane: Plane, margin_px: int) -> None:
        """Take `plane`, (h, w); windows may leave it by `margin_px`, where its border goes on."""
        self._margin_px = margin_px
        self._shape = plane.shape
        self._padded = cast("Plane", cv2.copyMakeBorder(plane, *(margin_px,) * 4, cv2.BORDER_REPLICATE))
        self.n_bytes = self._padded.nbytes

    def window(self, area: Area, shift: tuple[int, int], wider_px: int = 0) -> NDArray[np.uint8]:
        """Return what lies in `area` of a frame whose content is moved by `shift` (dx, dy), (h, w); a view."""
        (top, bottom, left, right), (dx, dy) = area, shift
        x, y = self._margin_px - dx, self._margin_px - dy
        return self._padded[top + y - wider_px : bottom + y + wider_px, left + x - wider_px : right + x + wider_px]

    def moved(self, shifts: Shifts, out: Plane) -> Plane:
        """Return the plane, (h, w), with each block where the frame has it; a view where all moved alike, or `out`."""
        return _moved(self._shape, shifts, self.window, out)


class MovableChroma:
    """A golden chroma plane in half its size; shifts stay those of the whole size.

    Half a pixel is a pixel of the frame: so there are four of them, of which three are moved by one pixel of the frame
    before they are halved.
    """

    def __init__(self, phases: dict[tuple[int, int], Plane], shape: tuple[int, int], margin_px: int) -> None:
        """Take the planes of (dy, dx) = (0, 0), (0, 1), (1, 0), (1, 1), each with a margin; `shape` is without it."""
        self._phases = phases
        self._shape = shape
        self._margin_px = margin_px
        self.n_bytes = sum(phase.nbytes for phase in phases.values())

    def moved(self, shifts: Shifts, out: Plane) -> Plane:
        """Return the plane, (h, w), with each block where the frame has it; a view where all moved alike, or `out`."""
        return _moved(self._shape, shifts, self._window, out)

    def _window(self, area: Area, shift: tuple[int, int]) -> Plane:
        (top, bottom, left, right), (dx, dy) = area, shift
        x, y = self._margin_px - (dx >> 1), self._margin_px - (dy >> 1)
        return self._phases[dy & 1, dx & 1][top + y : bottom + y, left + x : right + x]


def block_edges(length_px: int, count: int) -> list[int]:
    """Return where blocks begin, and where the last one ends."""
    return [round(length_px * number / count) for number in range(count + 1)]


def _moved(
    shape: tuple[int, ...], shifts: Shifts, window: Callable[[Area, tuple[int, int]], Plane], out: Plane
) -> Plane:
    height, width = shape
    if (shifts == shifts[0, 0]).all():
        dx, dy = shifts[0, 0].tolist()
        return window((0, height, 0, width), (dx, dy))
    edges = block_edges(width, shifts.shape[1])
    for (top, bottom), row in zip(pairwise(block_edges(height, shifts.shape[0])), shifts.tolist(), strict=True):
        for (dx, dy), group in groupby(range(len(row)), key=row.__getitem__):
            members = list(group)
            left, right = edges[members[0]], edges[members[-1] + 1]
            out[top:bottom, left:right] = window((top, bottom, left, right), (dx, dy))
    return out


def blind_areas(shape: tuple[int, int], shifts: Shifts, radius_px: int) -> list[Area]:
    """Return where the golden image does not say what comes into view.

    That is the border, by the jitter and by what `shifts`, (rows, columns, 2), have moved in from beyond it.
    """
    height, width = shape
    top, bottom = radius_px + max(0, int(shifts[0, :, 1].max())), radius_px - min(0, int(shifts[-1, :, 1].min()))
    left, right = radius_px + max(0, int(shifts[:, 0, 0].max())), radius_px - min(0, int(shifts[:, -1, 0].min()))
    return [
        (0, min(top, height), 0, width),
        (max(0, height - bottom), height, 0, width),
        (0, height, 0, min(left, width)),
        (0, height, max(0, width - right), width),
    ]
