"""What the edge jitter explains and is no jitter: a short bite or bump at an edge, a gap, a bridge.

    suspect -> golden image laid over its surroundings once more, near and far -> still different? -> heat

The jitter lets an edge lie beside the golden one. It would also let a bite pass that is as deep, or a bridge over a gap
as narrow. So what is hot with half the jitter only is looked at once more, after the golden image was laid over its own
surroundings to the pixel. It is a defect if as much of it is left, in a short stretch, as two of the smallest defects
have; or as one has, and light or dark pieces around it were parted, joined, added or lost.
"""

from __future__ import annotations

from itertools import starmap
from typing import TYPE_CHECKING

import cv2
import numpy as np

from workers.modules.reference.differences import Hot
from workers.modules.reference.planes.align import Shifts
from workers.modules.reference.planes.heat import HEAT_THRESHOLD, Differences, blank
from workers.modules.reference.planes.moved import Area, MovableLuma, wider
from workers.modules.reference.planes.patches import owners
from workers.modules.reference.planes.sheets import Plane

if TYPE_CHECKING:
    from workers.context.run import LookAtTime
    from workers.modules.reference.options import ReferenceOptions

# All in jitters. A shift is sought over two surroundings: in the near ones a small feature that lies beside its place
# comes to lie on it, in the far ones a bite does not pull.
_NEAR, _FAR = 4, 6
_AROUND = 2  # of a suspect, where what is left belongs to it
_MOST_AROUND_PX = 36  # what is farther away tells no more of where an edge belongs
_LONGEST = 8  # an edge that is off over a longer stretch lies beside its place, as the jitter allows

_BITE = 2  # times the smallest defect
_PIECE = 3  # times the smallest defect has a piece that counts
# How many suspects are looked at, the largest first. With the jitter grows what there is around each, and how far the
# golden image is moved over it: so they are fewer then; all of them take some 20 to 40 ms.
_MOST_SUSPECTS, _LEAST_SUSPECTS, _USUAL_JITTER_PX = 64, 4, 3
MOST_POINTS = 200_000  # more, and this is not this part at all: to tell its defects apart would take too long


class WithinJitter:
    """Looks at suspects."""

    def __init__(self, golden: MovableLuma, options: ReferenceOptions, radius_px: int) -> None:
        """Compare with `golden`, which has as much more margin as the jitter; `radius_px` is half the jitter."""
        self._golden = golden
        self._radius_px = radius_px
        self._jitter_px = options.edge_jitter_px
        self._most_suspects = max(_LEAST_SUSPECTS, _MOST_SUSPECTS * _USUAL_JITTER_PX**2 // options.edge_jitter_px**2)
        self._min_area_px = options.min_area_px
        self._contrast_levels = options.contrast_levels
        self._heat_per_level = 255 / (2 * options.contrast_levels)

    def look(
        self, suspects: Hot, normal: Plane, shifts: Shifts, blind: list[Area], look_at_time: LookAtTime
    ) -> list[Hot]:
        """Return the defects among `suspects`, whose heat is that with all of the jitter: what is hot with half of it.

        `normal` is the frame's luma, (h, w) uint8, as bright as the golden image.
        """
        if not 0 < suspects.y.size <= MOST_POINTS:
            return []
        owner = owners(suspects.y, suspects.x)
        area = np.bincount(owner)
        seen = np.bincount(owner, suspects.heat >= HEAT_THRESHOLD)
        hidden = np.flatnonzero((seen < self._min_area_px) & (area >= self._min_area_px))
        found = []
        for number in hidden[np.argsort(-area[hidden], kind="stable")][: self._most_suspects].tolist():
            look_at_time()
            y, x = (axis[owner == number] for axis in (suspects.y, suspects.x))
            box = (int(y.min()), int(y.max()) + 1, int(x.min()), int(x.max()) + 1)
            if max(box[1] - box[0], box[3] - box[2]) <= _LONGEST * self._jitter_px:
                found += self._look_at(box, normal, shifts, blind)
        return found

    def _look_at(self, box: Area, normal: Plane, shifts: Shifts, blind: list[Area]) -> list[Hot]:
        (height, width), (rows, columns) = normal.shape, shifts.shape[:2]
        row, column = (box[0] + box[1]) // 2 * rows // height, (box[2] + box[3]) // 2 * columns // width
        shift = (int(shifts[row, column, 0]), int(shifts[row, column, 1]))
        inner = wider(box, _AROUND * self._jitter_px, normal.shape)
        least = height * width
        for surroundings in (_NEAR, _FAR):
            around_px = max(_AROUND * self._jitter_px, min(surroundings * self._jitter_px, _MOST_AROUND_PX))
            area = wider(box, around_px, normal.shape)
            frame = normal[area[0] : area[1], area[2] : area[3]]
            golden = self._laid_over(frame, area, shift)
            found = Differences.between(frame, golden, self._radius_px)
            here = _within(inner, area)
            heat = found.heat(self._heat_per_level)[here]
            blank(heat, blind, (inner[0], inner[2]))
            hot = heat >= HEAT_THRESHOLD
            least = min(least, int(np.count_nonzero(hot)))
            # what was let in with the suspect may be longer than it
            if least < self._min_area_px or max(cv2.boundingRect(hot.view(np.uint8))[2:]) > _LONGEST * self._jitter_px:
                return []
        if least < _BITE * self._min_area_px and not self._parts(frame, golden, inner, area, normal.shape):
            return []
        y, x = np.nonzero(hot)
        brighter, darker = found.brighter[here][y, x], found.darker[here][y, x]
        return [Hot(y + inner[0], x + inner[2], heat[y, x], brighter, darker, np.zeros(y.size, np.uint8))]

    def _laid_over(self, frame: Plane, area: Area, shift: tuple[int, int]) -> Plane:
        """Return the golden image in `area` where it is most like `frame`, within the jitter of `shift`."""
        window = self._golden.window(area, shift, self._jitter_px)
        unlike = cv2.matchTemplate(window, frame, cv2.TM_SQDIFF)
        x, y = cv2.minMaxLoc(unlike)[2]
        return window[y : y + frame.shape[0], x : x + frame.shape[1]]

    def _parts(self, frame: Plane, golden: Plane, inner: Area, area: Area, shape: tuple[int, int]) -> bool:
        """Tell whether light or dark pieces are more or fewer than in the golden image, close by and farther around."""
        low, high, _, _ = cv2.minMaxLoc(golden)
        if high - low < 2 * self._contrast_levels:
            return False
        windows = [_within(wider(inner, by, shape), area) for by in (0, _AROUND * self._jitter_px)]
        level = (low + high) / 2
        return all(self._pieces(frame[one], level) != self._pieces(golden[one], level) for one in windows)

    def _pieces(self, plane: Plane, level: float) -> list[int]:
        """Count light and dark pieces, but for specks."""
        kinds = (cv2.THRESH_BINARY, cv2.THRESH_BINARY_INV)
        thrown = (cv2.threshold(plane, level, 255, kind)[1] for kind in kinds)
        sizes = (cv2.connectedComponentsWithStats(one, connectivity=4)[2][1:, cv2.CC_STAT_AREA] for one in thrown)
        return [int(np.count_nonzero(size >= _PIECE * self._min_area_px)) for size in sizes]


def _within(inner: Area, outer: Area) -> tuple[slice, slice]:
    """Return where `inner` lies in `outer`, of which it is a part."""
    rows, columns = starmap(
        slice, ((inner[0] - outer[0], inner[1] - outer[0]), (inner[2] - outer[2], inner[3] - outer[2]))
    )
    return rows, columns
