"""One golden image, made ready so that a frame can be compared with it in a few milliseconds.

    frame -> planes -> shift of each block -> golden moved by it -> frame as bright as that -> differences -> heat

The darkest and the brightest golden level within the edge jitter are the envelope of a pixel: an edge that moved by
less stays inside. What leaves it is a difference. That alone would miss a gap in a trace as thin as the jitter, since
what lies beside such a trace is in its envelope; so the golden image must not leave the frame's envelope either.
(By that, structures thinner than the jitter may be off by their own width only.) Last, the pixels of each 3x3 vote.
Nothing is known of what lies beyond the golden image's border: as much of a frame as may come from there is blind.

A golden image in grey is compared in grey. One in colour is compared in luma and both chromas, and the greatest
difference counts; not in blue, green and red, where what JPEG does to the chromas would show almost twice as strong.
"""

from __future__ import annotations

from itertools import groupby, pairwise
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.modules.reference.align import Alignment, Shifts
from workers.modules.reference.brightness import Plane, gain_and_offset, normalise
from workers.modules.reference.options import ReferenceOptions

_VOTE_PX = 3  # heat is a mean over 3x3: a line one pixel wide has a third of it at most
HEAT_THRESHOLD = 128  # of 255: all nine pixels differ by the contrast, or half of them by twice as much


class Workspace:
    """Planes that are written anew for each frame: fresh memory would cost more than the arithmetic.

    `brighter`, `darker` and `tinted` (in either chroma) are by how many levels a frame is beyond the edge jitter,
    `heat` is what follows from the greatest of them, 0..255. One comparison at a time may use it.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        # what is never written to costs no memory: a grey golden image does not use all of this
        self.colour = np.empty((*shape, 3), np.uint8)
        self.planes = _planes_of(shape, 3)
        self.moved, self.normal, self.darkest, self.brightest, self.part = _planes_of(shape, 5)
        self.more, self.less = _planes_of(shape, 2)
        self.brighter, self.darker, self.tinted, self.heat = _planes_of(shape, 4)


class Golden:
    """A golden image; `shape` is its (h, w), `n_bytes` about what it holds in memory."""

    def __init__(self, image: NDArray[np.uint8], options: ReferenceOptions) -> None:
        """Prepare `image`, (h, w, 3) BGR uint8."""
        self.shape: tuple[int, int] = image.shape[:2]
        self._is_grey = _has_no_colour(image)
        self._margin_px = options.shift_px
        # the vote takes the last pixel of the jitter
        self._radius_px = options.edge_jitter_px - 1
        self._heat_per_level = 255 / (2 * options.contrast_levels)
        planes = self._planes(image, Workspace(self.shape))
        margins = (self._margin_px,) * 4
        self._goldens = [cast("Plane", cv2.copyMakeBorder(plane, *margins, cv2.BORDER_REPLICATE)) for plane in planes]
        self._brightness_limit = options.brightness_percent / 100
        self._alignment = Alignment(planes[0], options.shift_px)
        self.n_bytes = sum(golden.nbytes for golden in self._goldens) + self._alignment.n_bytes

    def compare(self, frame: NDArray[np.uint8], scratch: Workspace) -> None:
        """Fill `scratch` with what differs; `frame` is (h, w) grey or (h, w, 3) BGR uint8, of our own shape."""
        planes = self._planes(frame, scratch)
        shifts = self._alignment.shifts(planes[0])
        for difference in (scratch.brighter, scratch.darker, scratch.tinted, scratch.more, scratch.less):
            difference.fill(0)
        for number, (plane, golden) in enumerate(zip(planes, self._goldens, strict=True)):
            self._move(golden, shifts, scratch.moved)
            above, below = (scratch.tinted, scratch.tinted) if number else (scratch.brighter, scratch.darker)
            self._add_differences(plane, scratch, above, below)
        # each votes for itself: an edge off by the jitter leaves a line one pixel wide in both, side by side
        for one_sided, heat in ((scratch.more, scratch.heat), (scratch.less, scratch.part)):
            self._blind_border(shifts, one_sided)
            cv2.convertScaleAbs(one_sided, alpha=self._heat_per_level, dst=one_sided)
            cv2.blur(one_sided, (_VOTE_PX, _VOTE_PX), dst=heat)
        cv2.max(scratch.heat, scratch.part, dst=scratch.heat)

    def _add_differences(self, plane: Plane, scratch: Workspace, above: Plane, below: Plane) -> None:
        """Add what the frame has and the golden image lacks within the jitter, then the same the other way round."""
        golden, span, normal = scratch.moved, (scratch.darkest, scratch.brightest), scratch.normal
        self._envelope(golden, *span)
        normalise(plane, *gain_and_offset(plane, golden, span, self._brightness_limit), normal)
        _add_beyond(normal, span, (above, below, scratch.more), scratch.part)
        self._envelope(normal, *span)
        _add_beyond(golden, span, (below, above, scratch.less), scratch.part)

    def _envelope(self, plane: Plane, darkest: Plane, brightest: Plane) -> None:
        """Write the darkest and the brightest level within the jitter of each pixel."""
        size = 2 * self._radius_px + 1
        kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (size, size))
        cv2.erode(plane, kernel, dst=darkest)
        cv2.dilate(plane, kernel, dst=brightest)

    def _move(self, golden: Plane, shifts: Shifts, out: Plane) -> None:
        """Write `golden` to `out` with each block where the frame has it."""
        height, width = self.shape
        bottoms = pairwise(np.rint(np.linspace(0, height, shifts.shape[0] + 1)).astype(int).tolist())
        edges = np.rint(np.linspace(0, width, shifts.shape[1] + 1)).astype(int).tolist()
        for (top, bottom), row in zip(bottoms, shifts.tolist(), strict=True):
            for (dx, dy), group in groupby(range(len(row)), key=row.__getitem__):
                members = list(group)
                left, right = edges[members[0]], edges[members[-1] + 1]
                x, y = self._margin_px - dx, self._margin_px - dy
                out[top:bottom, left:right] = golden[top + y : bottom + y, left + x : right + x]

    def _blind_border(self, shifts: Shifts, differences: Plane) -> None:
        """Forget the differences along the border where the golden image does not say what comes into view."""
        height, width = self.shape
        blind = self._radius_px
        differences[: blind + max(0, int(shifts[0, :, 1].max()))] = 0
        differences[height - blind + min(0, int(shifts[-1, :, 1].min())) :] = 0
        differences[:, : blind + max(0, int(shifts[:, 0, 0].max()))] = 0
        differences[:, width - blind + min(0, int(shifts[:, -1, 0].min())) :] = 0

    def _planes(self, image: NDArray[np.uint8], scratch: Workspace) -> list[Plane]:
        """Return the planes of an image that count: grey alone, or luma and both chromas."""
        if not self._is_grey:
            colour = image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
            cv2.cvtColor(colour, cv2.COLOR_BGR2YCrCb, dst=scratch.colour)
            cv2.split(scratch.colour, scratch.planes)
            return scratch.planes
        if image.ndim == 2:
            return [image]
        cv2.cvtColor(image, cv2.COLOR_BGR2GRAY, dst=scratch.planes[0])
        return scratch.planes[:1]


def _planes_of(shape: tuple[int, int], count: int) -> list[Plane]:
    return [np.empty(shape, np.uint8) for _ in range(count)]


def _add_beyond(plane: Plane, span: tuple[Plane, Plane], raised: tuple[Plane, Plane, Plane], part: Plane) -> None:
    """Raise three planes to the levels by which `plane` is above the brightest, below the darkest, or either."""
    darkest, brightest = span
    above, below, either = raised
    for higher, lower, found in ((plane, brightest, above), (darkest, plane, below)):
        cv2.subtract(higher, lower, dst=part)
        cv2.max(part, found, dst=found)
        cv2.max(part, either, dst=either)


def _has_no_colour(image: NDArray[np.uint8]) -> bool:
    blue, green, red = cv2.split(image)
    return np.array_equal(blue, green) and np.array_equal(green, red)
