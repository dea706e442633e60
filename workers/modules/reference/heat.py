"""By how much one plane leaves the envelope of another, the heat that follows, and the cells where something is hot.

The darkest and the brightest level of a plane within a radius are the envelope of a pixel: an edge that moved by less
stays inside. What leaves it is a difference. Heat is a mean over 3x3 of that, so that a line one pixel wide has a
third of it at most.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.modules.reference.moved import Area
from workers.modules.reference.planes import CELL_PX, Plane, Sheet

VOTE_PX = 3
HEAT_THRESHOLD = 128  # of 255: all nine pixels differ by the contrast, or half of them by twice as much

_HOT_BIT = 0x80  # of a byte: set from the threshold upwards

Cells = NDArray[np.uint8]  # (rows, columns), 0 or 1: whether something in the CELL_PX x CELL_PX pixels is hot


class Differences(NamedTuple):
    """By how many levels a window of a frame differs, each (h, w) uint8.

    `brighter` and `darker` is where it is that; `more` is what it has and the golden image lacks, `less` the other way
    round.
    """

    brighter: Plane
    darker: Plane
    more: Plane
    less: Plane

    @classmethod
    def between(cls, frame: Plane, golden: Plane, radius_px: int) -> Differences:
        """Compare two windows, (h, w) uint8."""
        darkest, brightest = envelope(golden, radius_px)
        above, below = cv2.subtract(frame, brightest), cv2.subtract(darkest, frame)
        darkest, brightest = envelope(frame, radius_px)
        golden_above, golden_below = cv2.subtract(golden, brightest), cv2.subtract(darkest, golden)
        pairs = ((above, golden_below), (below, golden_above), (above, below), (golden_above, golden_below))
        return cls(*(cast("Plane", cv2.max(*pair)) for pair in pairs))

    def heat(self, heat_per_level: float) -> Plane:
        """Return the heat of `more` and `less`, which vote each for itself."""
        scaled = (cv2.convertScaleAbs(one_sided, alpha=heat_per_level) for one_sided in (self.more, self.less))
        return cast("Plane", cv2.max(*(cv2.blur(plane, (VOTE_PX, VOTE_PX)) for plane in scaled)))


def blank(plane: Plane, areas: Iterable[Area], origin: tuple[int, int] = (0, 0)) -> None:
    """Write 0 where `areas` of a frame lie in a plane whose upper left corner is at `origin` (y, x) of it."""
    y, x = origin
    for top, bottom, left, right in areas:
        plane[max(0, top - y) : max(0, bottom - y), max(0, left - x) : max(0, right - x)] = 0


def envelope(plane: Plane, radius_px: int, darkest: Plane | None = None, brightest: Plane | None = None) -> list[Plane]:
    """Return the darkest and the brightest level within the radius of each pixel, in the planes given if there are."""
    size = 2 * radius_px + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (size, size))
    found = cv2.erode(plane, kernel, dst=darkest), cv2.dilate(plane, kernel, dst=brightest)
    return [cast("Plane", one) for one in found]


def add_beyond(plane: Plane, span: list[Plane], out: Plane, part: Plane) -> None:
    """Raise `out` to the levels by which `plane` is above the brightest or below the darkest; `part` is scratch."""
    darkest, brightest = span
    cv2.max(plane, darkest, dst=part)
    cv2.min(part, brightest, dst=part)
    cv2.absdiff(plane, part, dst=part)
    cv2.max(part, out, dst=out)


def add_both_ways(frame: Plane, golden: Plane, radius_px: int, sheet: Sheet) -> None:
    """Raise `more` of a sheet to what `frame` has beyond the envelope of `golden`, and `less` the other way round."""
    add_beyond(frame, envelope(golden, radius_px, sheet.darkest, sheet.brightest), sheet.more, sheet.part)
    add_beyond(golden, envelope(frame, radius_px, sheet.darkest, sheet.brightest), sheet.less, sheet.part)


def vote(sheet: Sheet, heat_per_level: float, size_px: int) -> None:
    """Make the heat of a sheet of what differs.

    `more` and `less` vote each for itself: an edge off by the jitter leaves a line one pixel wide in both, side by side.
    """
    for one_sided, heat in ((sheet.more, sheet.heat), (sheet.less, sheet.part)):
        cv2.convertScaleAbs(one_sided, alpha=heat_per_level, dst=one_sided)
        cv2.blur(one_sided, (size_px, size_px), dst=heat)
    cv2.max(sheet.heat, sheet.part, dst=sheet.heat)


def hot_cells(padded: Plane, cell_px: int = CELL_PX) -> Cells:
    """Return in which cells of a plane of heat, whose sides are full of cells, something is hot.

    `cell_px` is 4 or 2: a row of a cell is read as one number.
    """
    rows = padded[0::cell_px]
    for offset in range(1, cell_px):
        rows = cast("Plane", cv2.max(rows, padded[offset::cell_px]))
    word: type[np.unsignedinteger[...]] = np.uint32 if cell_px == 4 else np.uint16
    hot = word(_HOT_BIT * (0x01010101 if cell_px == 4 else 0x0101))
    return ((rows.view(word) & hot) != 0).view(np.uint8)


def joined(cells: Cells) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return what belongs together: a label for each cell that is hot or beside one, from 1, and their boxes.

    Boxes are rows of (left, top, width, height, count) in cells, the first of label 1.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(cells, np.ones((3, 3), np.uint8)))
    return cast("NDArray[np.int32]", labels), cast("NDArray[np.int32]", stats)[1:]


def hot_points(padded: Plane, cells: Cells) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return y and x of all pixels that are hot, read from their cells only."""
    height, width = padded.shape
    row, column = np.nonzero(cells)
    patches = padded.reshape(height // CELL_PX, CELL_PX, width // CELL_PX, CELL_PX)[row, :, column]
    which, y, x = np.nonzero(patches >= HEAT_THRESHOLD)
    return row[which] * CELL_PX + y, column[which] * CELL_PX + x
