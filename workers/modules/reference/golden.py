"""One golden image, made ready so that a frame can be compared with it in a few milliseconds.

    frame -> planes -> shift of each block -> golden moved by it -> frame as bright as that -> differences -> heat

The darkest and the brightest golden level within the edge jitter are the envelope of a pixel: an edge that moved by
less stays inside. What leaves it is a difference. That alone would miss a gap in a trace as thin as the jitter, since
what lies beside such a trace is in its envelope; so the golden image must not leave the frame's envelope either.
(By that, structures thinner than the jitter may be off by their own width only.)

All of a frame is looked at with half the jitter. Where no pixel differs by the contrast then, nothing can be hot with
the whole jitter, so the heat is made around the others only; and what the whole jitter explains may still be a defect
(within_jitter.py).

A golden image in grey is compared in grey. One in colour is compared in luma and both chromas, and the greatest
difference counts.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.modules.reference.align import Alignment, Shifts
from workers.modules.reference.brightness import Lighting, normalised
from workers.modules.reference.heat import VOTE_PX, Differences, blank, greatest
from workers.modules.reference.moved import Area, MovableChroma, MovableLuma, blind_areas, half_area
from workers.modules.reference.options import ReferenceOptions
from workers.modules.reference.patches import Patches, high_cells
from workers.modules.reference.planes import Plane, Workspace, add_doubled, half_planes, halved, has_no_colour, luma
from workers.modules.reference.within_jitter import WithinJitter

_CHROMA_VOTE_PX = 2
_MOST_CELLS = 1 / 16  # of all: with more, all of a frame at once takes no longer


class Golden:
    """A golden image; `shape` is its (h, w), `n_bytes` about what it holds in memory."""

    def __init__(self, image: NDArray[np.uint8], options: ReferenceOptions) -> None:
        """Prepare `image`, (h, w, 3) BGR uint8."""
        height, width = self.shape = image.shape[0], image.shape[1]
        # the vote takes the last pixel of the jitter
        self._radius_px = options.edge_jitter_px - 1
        self._first_px = (self._radius_px + 1) // 2 if options.within_jitter else self._radius_px
        self._contrast_levels = options.contrast_levels
        self._heat_per_level = 255 / (2 * options.contrast_levels)
        margin_px, limit = options.shift_px, options.brightness_percent / 100
        plane = luma(image, np.empty(self.shape, np.uint8))
        self._luma = MovableLuma(plane, margin_px + options.edge_jitter_px)
        self._lighting = Lighting(plane, self._radius_px, margin_px, limit)
        self._has_chroma = min(height, width) > 1 and not has_no_colour(image)
        # as frames will be, to the last bit
        half = half_planes(image, Workspace(self.shape))[0] if self._has_chroma else halved(plane)
        self._alignment = Alignment(half, self.shape, margin_px)
        self.n_bytes = self._luma.n_bytes + self._alignment.n_bytes
        self._chromas: list[tuple[MovableChroma, Lighting]] = []
        if self._has_chroma:
            for chroma in _movable_chromas(image, margin_px):
                seen = chroma.moved(np.zeros((1, 1, 2), np.intp), plane)
                self._chromas.append((chroma, Lighting(seen, -(-self._radius_px // 2), -(-margin_px // 2), limit)))
                self.n_bytes += chroma.n_bytes
        finest = self._first_px < self._radius_px
        self._within_jitter = WithinJitter(self._luma, options, self._first_px) if finest else None

    def compare(self, frame: NDArray[np.uint8], scratch: Workspace) -> None:
        """Fill `scratch` with what differs; `frame` is (h, w) grey or (h, w, 3) BGR uint8, of our own shape."""
        plane = luma(frame, scratch.grey)
        halves = half_planes(frame, scratch) if self._has_chroma else []
        shifts = self._shifts(plane, halves)
        dx, dy = (int(value) for value in np.median(shifts, axis=(0, 1)))
        golden = self._luma.moved(shifts, scratch.luma.moved)
        normal = normalised(plane, *self._lighting.gain_and_offset(plane, (dx, dy)), scratch.luma.normal)
        # a vote that counts pixels of which nothing is known is none
        blind = blind_areas(self.shape, shifts, self._radius_px + VOTE_PX // 2)
        self._look_at_luma(normal, golden, blind, scratch)
        if self._within_jitter:
            self._within_jitter.look(normal, shifts, blind, scratch)
        if self._chromas:
            self._look_at_chromas(halves[1:], shifts, blind, scratch)

    def _shifts(self, plane: Plane, halves: list[Plane]) -> Shifts:
        if not self._alignment.seeks:
            return self._alignment.unmoved()
        return self._alignment.shifts(halves[0] if halves else halved(plane))

    def _look_at_luma(self, normal: Plane, golden: Plane, blind: list[Area], scratch: Workspace) -> None:
        """Make the heat of luma where a pixel differs by the contrast, with the whole jitter and with half of it."""
        for heat in (scratch.heat, scratch.hinted):
            heat.fill(0)
        greatest(normal, golden, self._first_px, scratch.luma, scratch.different)
        blank(scratch.different, blind)
        cv2.threshold(scratch.different, self._contrast_levels - 1, 255, cv2.THRESH_BINARY, dst=scratch.different)
        cells = high_cells(scratch.padded_different)
        around_px = self._radius_px + VOTE_PX // 2
        fits = Patches.fits(self.shape, around_px) and np.count_nonzero(cells) <= _MOST_CELLS * cells.size
        scratch.patches = patches = Patches(cells, self.shape, around_px) if fits else None
        if not cells.any():
            return
        frame, golden = (patches.cut(plane) if patches is not None else plane for plane in (normal, golden))
        found = Differences.between(frame, golden, self._radius_px)
        made = [(found.heat(self._heat_per_level), scratch.heat)]
        made += [(found.brighter, scratch.brighter), (found.darker, scratch.darker)]
        if self._within_jitter:
            hints = Differences.between(frame, golden, self._first_px).heat(self._heat_per_level)
            made.append((hints, scratch.hinted))
        for plane, out in made:
            if patches is not None:
                patches.paste(plane, out)
            else:
                out[:] = plane
        for heat in (scratch.heat, scratch.hinted):
            blank(heat, blind)

    def _look_at_chromas(self, halves: list[Plane], shifts: Shifts, blind: list[Area], scratch: Workspace) -> None:
        """Add the heat of both chromas, and write how much either is `tinted`, in half the size."""
        radius_px = -(-self._radius_px // 2)
        dx, dy = (int(value) >> 1 for value in np.median(shifts, axis=(0, 1)))
        pairs = []
        for plane, (chroma, lighting), sheet in zip(halves, self._chromas, scratch.chromas, strict=True):
            golden = chroma.moved(shifts, sheet.moved)
            pairs.append((normalised(plane, *lighting.gain_and_offset(plane, (dx, dy)), sheet.normal), golden))
        for pair, sheet, out in zip(pairs, scratch.chromas, (scratch.tinted, scratch.chromas[0].beyond), strict=True):
            greatest(*pair, radius_px, sheet, out)
        cv2.max(scratch.tinted, scratch.chromas[0].beyond, dst=scratch.tinted)
        half_blind = [half_area(area) for area in blind]
        blank(scratch.tinted, half_blind)
        if cv2.minMaxLoc(scratch.tinted)[1] < self._contrast_levels:
            return
        heats = (Differences.between(*pair, radius_px).heat(self._heat_per_level, _CHROMA_VOTE_PX) for pair in pairs)
        heat = cast("Plane", cv2.max(*heats))
        blank(heat, half_blind)
        add_doubled(heat, scratch.heat)
        scratch.patches = None


def _movable_chromas(image: NDArray[np.uint8], margin_px: int) -> list[MovableChroma]:
    """Return both chromas of an image, (h, w, 3) BGR, in half its size, moved by none and by one pixel each way."""
    half_margin_px = -(-margin_px // 2)
    wide = cast("Plane", cv2.copyMakeBorder(image, *(2 * half_margin_px + 1,) * 4, cv2.BORDER_REPLICATE))
    height, width = (length // 2 * 2 + 4 * half_margin_px for length in image.shape[:2])
    scratch = Workspace((height, width))
    phases: tuple[dict[tuple[int, int], Plane], dict[tuple[int, int], Plane]] = ({}, {})
    for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)):
        moved = wide[1 - y : 1 - y + height, 1 - x : 1 - x + width]
        for planes, plane in zip(phases, half_planes(moved, scratch)[1:], strict=True):
            planes[y, x] = plane.copy()
    shape = (image.shape[0] // 2, image.shape[1] // 2)
    return [MovableChroma(planes, shape, half_margin_px) for planes in phases]
