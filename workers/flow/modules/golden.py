"""One golden image, made ready so that a frame can be compared with it in a few milliseconds.

    frame -> planes -> as bright as golden -> shift of each block -> beyond the envelope? -> heat

The envelope is the darkest and the brightest golden level within the edge jitter: an edge that moved by less stays
inside it. What lies beyond is a difference. Nothing is known of what lies beyond the golden image's border, so there
everything fits; the outermost pixels, as many as the jitter, are not inspected.

A golden image in grey is compared in grey, one in colour in all three planes: the greatest difference counts.
"""

from __future__ import annotations

from itertools import groupby, pairwise
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.flow.modules.align import Alignment, Shifts
from workers.flow.modules.brightness import Brightness
from workers.flow.modules.reference_options import ReferenceOptions

Plane = NDArray[np.uint8]  # (h, w)

_VOTE_PX = 3  # heat is a mean over 3x3: what is one pixel wide can have a third of it at most
HEAT_THRESHOLD = 128  # of 255: all nine pixels differ by the contrast, or half of them by twice as much


class Scratch:
    """Planes that are written anew for each frame: fresh memory would cost more than the arithmetic.

    `brighter` and `darker` are by how many levels a frame is beyond the tolerance, `heat` what follows from both,
    0..255. One comparison at a time may use it.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self.normal = [np.empty(shape, np.uint8) for _ in range(3)]
        self.moved, self.darkest, self.brightest, self.part = (np.empty(shape, np.uint8) for _ in range(4))
        self.brighter, self.darker, self.heat = (np.empty(shape, np.uint8) for _ in range(3))


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
        planes = self._planes(image)
        margins = (self._margin_px,) * 4
        self._goldens = [cast("Plane", cv2.copyMakeBorder(plane, *margins, cv2.BORDER_REPLICATE)) for plane in planes]
        reach_px = options.edge_jitter_px + options.shift_px
        self._brightness = [Brightness(plane, reach_px, options.brightness_percent / 100) for plane in planes]
        self._alignment = Alignment(_sharpest(planes), options.shift_px)
        self.n_bytes = sum(golden.nbytes for golden in self._goldens) + self._alignment.n_bytes

    def compare(self, frame: NDArray[np.uint8], scratch: Scratch) -> None:
        """Fill `scratch` with what differs; `frame` is (h, w) grey or (h, w, 3) BGR uint8, of our own shape."""
        planes = self._planes(frame)
        normal = scratch.normal[: len(planes)]
        for plane, brightness, out in zip(planes, self._brightness, normal, strict=True):
            brightness.normalise(plane, out)
        shifts = self._alignment.shifts(_sharpest(normal))
        scratch.brighter.fill(0)
        scratch.darker.fill(0)
        for plane, golden in zip(normal, self._goldens, strict=True):
            self._move(golden, shifts, scratch.moved)
            self._add_differences(plane, scratch)
        cv2.max(scratch.brighter, scratch.darker, dst=scratch.part)
        self._blind_border(shifts, scratch.part)
        cv2.convertScaleAbs(scratch.part, alpha=self._heat_per_level, dst=scratch.part)
        cv2.blur(scratch.part, (_VOTE_PX, _VOTE_PX), dst=scratch.heat)

    def _add_differences(self, plane: Plane, scratch: Scratch) -> None:
        """Add what the frame has and the golden image lacks within the jitter, then the same the other way round."""
        size = 2 * self._radius_px + 1
        kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (size, size))
        for around, at, lighter, darker in (
            (scratch.moved, plane, scratch.brighter, scratch.darker),
            (plane, scratch.moved, scratch.darker, scratch.brighter),
        ):
            cv2.dilate(around, kernel, dst=scratch.brightest)
            cv2.erode(around, kernel, dst=scratch.darkest)
            cv2.subtract(at, scratch.brightest, dst=scratch.part)
            cv2.max(scratch.part, lighter, dst=lighter)
            cv2.subtract(scratch.darkest, at, dst=scratch.part)
            cv2.max(scratch.part, darker, dst=darker)

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

    def _planes(self, image: NDArray[np.uint8]) -> list[Plane]:
        """Return the planes of an image that count: one of grey, or those of blue, green and red."""
        if not self._is_grey:
            return [image] * 3 if image.ndim == 2 else list(cast("tuple[Plane, ...]", cv2.split(image)))
        return [image if image.ndim == 2 else cast("Plane", cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))]


def _sharpest(planes: list[Plane]) -> Plane:
    """Return the plane to align by: green, of which a Bayer camera has the most."""
    return planes[len(planes) // 2]


def _has_no_colour(image: NDArray[np.uint8]) -> bool:
    blue, green, red = cv2.split(image)
    return np.array_equal(blue, green) and np.array_equal(green, red)
