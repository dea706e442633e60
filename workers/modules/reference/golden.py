"""One golden image, made ready so that a frame can be compared with it in a few milliseconds.

    frame -> planes -> shift of each block -> golden moved by it -> frame as bright as that -> differences -> heat

The darkest and the brightest golden level within the edge jitter are the envelope of a pixel: an edge that moved by
less stays inside. What leaves it is a difference. That alone would miss a gap in a trace as thin as the jitter, since
what lies beside such a trace is in its envelope; so the golden image must not leave the frame's envelope either.
(By that, structures thinner than the jitter may be off by their own width only.)

All of a frame is looked at with half the jitter. Where nothing is hot then, nothing would be with the whole jitter, so
that is looked at around hot pixels only; and what it explains may still be a defect (within_jitter.py).

A golden image in grey is compared in grey. One in colour is compared in luma and both chromas, and the greatest
difference counts.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.modules.reference.align import Alignment, Shifts
from workers.modules.reference.brightness import Lighting, normalised
from workers.modules.reference.heat import VOTE_PX, Cells, Differences, add_both_ways, blank, hot_cells, joined, vote
from workers.modules.reference.moved import Area, MovableChroma, MovableLuma, blind_areas, half_area, wider
from workers.modules.reference.options import ReferenceOptions
from workers.modules.reference.planes import (
    CELL_PX,
    Plane,
    Workspace,
    add_doubled,
    half_planes,
    halved,
    has_no_colour,
    luma,
)
from workers.modules.reference.within_jitter import WithinJitter, suspects_of

_CHROMA_VOTE_PX = 2
_MOST_WINDOWS = 256  # more, or more than half of the frame, are not quicker than all of it at once


class Golden:
    """A golden image; `shape` is its (h, w), `n_bytes` about what it holds in memory."""

    def __init__(self, image: NDArray[np.uint8], options: ReferenceOptions) -> None:
        """Prepare `image`, (h, w, 3) BGR uint8."""
        height, width = self.shape = image.shape[0], image.shape[1]
        # the vote takes the last pixel of the jitter
        self._radius_px = options.edge_jitter_px - 1
        self._first_px = (self._radius_px + 1) // 2 if options.within_jitter else self._radius_px
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
        typical = tuple(int(value) for value in np.median(shifts, axis=(0, 1)))
        golden = self._luma.moved(shifts, scratch.luma.moved)
        normal = normalised(
            plane, *self._lighting.gain_and_offset(plane, (typical[0], typical[1])), scratch.luma.normal
        )
        blind = blind_areas(self.shape, shifts, self._radius_px)
        self._look_at_luma(normal, golden, blind, scratch)
        self._look_at_chromas(halves, shifts, scratch)
        cells = self._hot_cells(scratch)
        if cells.any():
            labels, boxes = joined(cells)
            suspects = suspects_of(scratch, cells, labels, len(boxes)) if self._within_jitter else None
            for area in _windows(boxes, self.shape):
                self._look_around(area, normal, golden, blind, scratch)
            if self._within_jitter and suspects:
                self._within_jitter.look(suspects, normal, shifts, blind, scratch)

    def _shifts(self, plane: Plane, halves: list[Plane]) -> Shifts:
        if not self._alignment.seeks:
            return self._alignment.unmoved()
        return self._alignment.shifts(halves[0] if halves else halved(plane))

    def _look_at_luma(self, normal: Plane, golden: Plane, blind: list[Area], scratch: Workspace) -> None:
        """Make the heat of luma, with half the jitter."""
        sheet = scratch.luma
        sheet.more.fill(0)
        sheet.less.fill(0)
        add_both_ways(normal, golden, self._first_px, sheet)
        for one_sided in (sheet.more, sheet.less):
            blank(one_sided, blind)
        vote(sheet, self._heat_per_level, VOTE_PX)

    def _look_at_chromas(self, halves: list[Plane], shifts: Shifts, scratch: Workspace) -> None:
        """Make the heat of both chromas, and how much either is `tinted`, in half the size, with the whole jitter."""
        sheet = scratch.chroma
        sheet.more.fill(0)
        sheet.less.fill(0)
        radius_px = -(-self._radius_px // 2)
        dx, dy = (int(value) >> 1 for value in np.median(shifts, axis=(0, 1)))
        for plane, (chroma, lighting) in zip(halves[1:], self._chromas, strict=True):
            golden = chroma.moved(shifts, sheet.moved)
            normal = normalised(plane, *lighting.gain_and_offset(plane, (dx, dy)), sheet.normal)
            add_both_ways(normal, golden, radius_px, sheet)
        if self._chromas:
            blind = [half_area(area) for area in blind_areas(self.shape, shifts, self._radius_px)]
            for one_sided in (sheet.more, sheet.less):
                blank(one_sided, blind)
            cv2.max(sheet.more, sheet.less, dst=scratch.tinted)
            vote(sheet, self._heat_per_level, _CHROMA_VOTE_PX)

    def _hot_cells(self, scratch: Workspace) -> Cells:
        cells = hot_cells(scratch.luma.padded)
        if self._has_chroma:
            tinted = hot_cells(scratch.chroma.padded, CELL_PX // 2)
            rows, columns = tinted.shape
            cells[:rows, :columns] |= tinted
        return cells

    def _look_around(self, area: Area, normal: Plane, golden: Plane, blind: list[Area], scratch: Workspace) -> None:
        """Make the heat in `area` anew, with the whole jitter and of all planes."""
        outer = wider(area, self._radius_px + VOTE_PX // 2, self.shape)
        top, bottom, left, right = outer
        found = Differences.between(normal[top:bottom, left:right], golden[top:bottom, left:right], self._radius_px)
        for one_sided in (found.more, found.less):
            blank(one_sided, blind, (top, left))
        heat = found.heat(self._heat_per_level)
        there = (slice(area[0], area[1]), slice(area[2], area[3]))
        here = (slice(area[0] - top, area[1] - top), slice(area[2] - left, area[3] - left))
        scratch.heat[there], scratch.brighter[there], scratch.darker[there] = (
            plane[here] for plane in (heat, found.brighter, found.darker)
        )
        if self._has_chroma:
            add_doubled(scratch.chroma.heat, area, scratch.heat)


def _windows(boxes: NDArray[np.int32], shape: tuple[int, int]) -> list[Area]:
    """Return the areas of a frame to look at, of boxes of cells; all of it where these are many or large."""
    height, width = shape
    if len(boxes) > _MOST_WINDOWS or 2 * CELL_PX**2 * int((boxes[:, 2] * boxes[:, 3]).sum()) > height * width:
        return [(0, height, 0, width)]
    corners = CELL_PX * np.stack(
        (boxes[:, 1], boxes[:, 1] + boxes[:, 3], boxes[:, 0], boxes[:, 0] + boxes[:, 2]), axis=1
    )
    return [(top, min(bottom, height), left, min(right, width)) for top, bottom, left, right in corners.tolist()]


def _movable_chromas(image: NDArray[np.uint8], margin_px: int) -> list[MovableChroma]:
    """Return both chromas of an image, (h, w, 3) BGR, in half its size, moved by none and by one pixel each way."""
    half_margin_px = -(-margin_px // 2)
    wide = cv2.copyMakeBorder(image, *(2 * half_margin_px + 1,) * 4, cv2.BORDER_REPLICATE)
    height, width = (length // 2 * 2 + 4 * half_margin_px for length in image.shape[:2])
    scratch = Workspace((height, width))
    phases: tuple[dict[tuple[int, int], Plane], dict[tuple[int, int], Plane]] = ({}, {})
    for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)):
        moved = wide[1 - y : 1 - y + height, 1 - x : 1 - x + width]
        for planes, plane in zip(phases, half_planes(moved, scratch)[1:], strict=True):
            planes[y, x] = plane.copy()
    shape = (image.shape[0] // 2, image.shape[1] // 2)
    return [MovableChroma(planes, shape, half_margin_px) for planes in phases]
