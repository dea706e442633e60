"""By how much one plane leaves the envelope of another, and the heat that follows.

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

from workers.modules.reference.planes.moved import Area
from workers.modules.reference.planes.sheets import Plane, Sheet

VOTE_PX = 3
_BAND_PX = 1 << 19  # a frame is looked at in bands: what is written for one is still in the cache when it is read
HEAT_THRESHOLD = 128  # of 255: all nine pixels differ by the contrast, or half of them by twice as much


class Differences(NamedTuple):
    """By how many levels a frame, or a part of it, differs, each (h, w) uint8.

    `brighter` and `darker` is where it is that; `more` is what it has and the golden image lacks, `less` the other way
    round.
    """

    brighter: Plane
    darker: Plane
    more: Plane
    less: Plane

    @classmethod
    def between(cls, frame: Plane, golden: Plane, radius_px: int) -> Differences:
        """Compare two planes, (h, w) uint8."""
        darkest, brightest = envelope(golden, radius_px)
        above, below = cv2.subtract(frame, brightest), cv2.subtract(darkest, frame)
        darkest, brightest = envelope(frame, radius_px)
        golden_above, golden_below = cv2.subtract(golden, brightest), cv2.subtract(darkest, golden)
        pairs = ((above, golden_below), (below, golden_above), (above, below), (golden_above, golden_below))
        return cls(*(cast("Plane", cv2.max(*pair)) for pair in pairs))

    def heat(self, heat_per_level: float, vote_px: int = VOTE_PX) -> Plane:
        """Return the heat of what differs, (h, w) uint8.

        `more` and `less` vote each for itself: an edge off by the jitter leaves a line one pixel wide in both, side by
        side.
        """
        scaled = (cv2.convertScaleAbs(one_sided, alpha=heat_per_level) for one_sided in (self.more, self.less))
        return cast("Plane", cv2.max(*(cv2.blur(plane, (vote_px, vote_px)) for plane in scaled)))


def envelope(plane: Plane, radius_px: int, darkest: Plane | None = None, brightest: Plane | None = None) -> list[Plane]:
    """Return the darkest and the brightest level within the radius of each pixel, (h, w) uint8 each.

    They are written to the planes given, if there are.
    """
    size = 2 * radius_px + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (size, size))
    found = cv2.erode(plane, kernel, dst=darkest), cv2.dilate(plane, kernel, dst=brightest)
    return [cast("Plane", one) for one in found]


def greatest(frame: Plane, golden: Plane, radius_px: int, sheet: Sheet, out: Plane) -> None:
    """Write to `out`, (h, w) uint8 as all of them, by how many levels either plane leaves the envelope of the other."""
    height, width = frame.shape
    rows = max(4 * radius_px, _BAND_PX // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        first, last = max(0, top - radius_px), min(bottom + radius_px, height)
        found, beyond, part = out[top:bottom], sheet.beyond[: bottom - top], sheet.part[: bottom - top]
        scratch = sheet.darkest[: last - first], sheet.brightest[: last - first]
        for plane, other, seen in ((frame, golden, found), (golden, frame, beyond)):
            span = envelope(other[first:last], radius_px, *scratch)
            darkest, brightest = (one[top - first : bottom - first] for one in span)
            cv2.max(plane[top:bottom], darkest, dst=part)
            cv2.min(part, brightest, dst=part)
            cv2.absdiff(plane[top:bottom], part, dst=seen)
        cv2.max(beyond, found, dst=found)


def blank(
    plane: NDArray[np.uint8] | NDArray[np.float32], areas: Iterable[Area], origin: tuple[int, int] = (0, 0)
) -> None:
    """Write 0 where `areas` of a frame lie in a plane, (h, w), whose upper left corner is at `origin` (y, x) of it."""
    y, x = origin
    for top, bottom, left, right in areas:
        if bottom > y and right > x and top < y + plane.shape[0] and left < x + plane.shape[1]:
            plane[max(0, top - y) : bottom - y, max(0, left - x) : right - x] = 0
