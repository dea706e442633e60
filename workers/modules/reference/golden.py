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

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.modules.reference.differences import Hot
from workers.modules.reference.options import ReferenceOptions
from workers.modules.reference.planes.align import Alignment, Shifts
from workers.modules.reference.planes.brightness import Lighting, normalised
from workers.modules.reference.planes.heat import HEAT_THRESHOLD, VOTE_PX, Differences, blank, greatest
from workers.modules.reference.planes.moved import Area, MovableChroma, MovableLuma, blind_areas, outside
from workers.modules.reference.planes.patches import Cells, Patches, Places, WholeFrame, cells_of, patches_around
from workers.modules.reference.planes.sheets import HalfPlanes, Plane, Workspace, halved, has_no_colour, luma
from workers.modules.reference.within_jitter import WithinJitter

if TYPE_CHECKING:
    from workers.context.run import LookAtTime

_CHROMA_VOTE_PX = 2


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs: `hot` pixels in several parts, which may overlap, the first one counts.

    `heat`, (h, w) uint8, is the strip of `patches`, None where nothing differs; what lies in `blind` areas does not
    count.
    """

    hot: list[Hot]
    heat: Plane | None
    patches: Patches | WholeFrame
    blind: list[Area]


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
        self._alignment = Alignment(self.shape, margin_px)
        if self._alignment.seeks:
            self._alignment.take(HalfPlanes(self.shape).of(image)[0] if self._has_chroma else halved(plane))
        self.n_bytes = self._luma.n_bytes + self._alignment.n_bytes
        self._chromas: list[tuple[MovableChroma, Lighting]] = []
        if self._has_chroma:
            for chroma in _movable_chromas(image, margin_px):
                seen = chroma.moved(np.zeros((1, 1, 2), np.intp), plane)
                self._chromas.append((chroma, Lighting(seen, -(-self._radius_px // 2), -(-margin_px // 2), limit)))
                self.n_bytes += chroma.n_bytes
        finest = self._first_px < self._radius_px
        self._within_jitter = WithinJitter(self._luma, options, self._first_px) if finest else None

    def compare(self, frame: NDArray[np.uint8], scratch: Workspace, look_at_time: LookAtTime) -> Comparison:
        """Return what differs; `frame` is (h, w) grey or (h, w, 3) BGR uint8, of our own shape."""
        plane = luma(frame, scratch.grey)
        look_at_time()
        halves = scratch.halves.of(frame) if self._chromas else []
        look_at_time()
        shifts = self._shifts(plane, halves)
        look_at_time()
        golden = self._luma.moved(shifts, scratch.luma.moved)
        look_at_time()
        normal = normalised(plane, *self._lighting.gain_and_offset(plane, _typical(shifts)), scratch.luma.normal)
        look_at_time()
        # a vote that counts pixels of which nothing is known is none
        blind = blind_areas(self.shape, shifts, self._radius_px + VOTE_PX // 2)
        tints = self._tints(halves[1:], shifts, blind, scratch, look_at_time) if self._chromas else []
        look_at_time()
        cells = self._differing_cells(normal, golden, blind, scratch)
        look_at_time()
        patches = patches_around(cells, self.shape, self._radius_px + VOTE_PX // 2)
        if not cells.any():
            return Comparison(tints, None, patches, blind)
        frame, golden = (patches.cut(plane) for plane in (normal, golden))
        found = Differences.between(frame, golden, self._radius_px)
        look_at_time()
        heat = found.heat(self._heat_per_level)
        look_at_time()
        hints = heat
        if self._within_jitter:
            hints = Differences.between(frame, golden, self._first_px).heat(self._heat_per_level)
            look_at_time()
        places = patches.places(hints, HEAT_THRESHOLD)
        heats, brighter, darker = (plane.ravel()[places.seen] for plane in (heat, found.brighter, found.darker))
        suspects = Hot(places.y, places.x, heats, brighter, darker, _tinted(scratch, places))
        suspects = suspects.chosen(outside(places.y, places.x, blind))
        hot = [suspects.chosen(suspects.heat >= HEAT_THRESHOLD)]
        if self._within_jitter:
            hot += self._within_jitter.look(suspects, normal, shifts, blind, look_at_time)
        return Comparison(hot + tints, heat, patches, blind)

    def _shifts(self, plane: Plane, halves: list[Plane]) -> Shifts:
        if not self._alignment.seeks:
            return self._alignment.unmoved()
        return self._alignment.shifts(halves[0] if halves else halved(plane))

    def _differing_cells(self, normal: Plane, golden: Plane, blind: list[Area], scratch: Workspace) -> Cells:
        """Return where some pixel differs by the contrast with half the jitter."""
        marked = scratch.different.plane
        greatest(normal, golden, self._first_px, scratch.luma, marked)
        cv2.threshold(marked, self._contrast_levels - 1, 255, cv2.THRESH_BINARY, dst=marked)
        blank(marked, blind)
        return cells_of(scratch.different.padded)

    def _tints(
        self, halves: list[Plane], shifts: Shifts, blind: list[Area], scratch: Workspace, look_at_time: LookAtTime
    ) -> list[Hot]:
        """Return what is hot in either chroma, and write how much they are `tinted`, in half the size."""
        radius_px = -(-self._radius_px // 2)
        dx, dy = _typical(shifts)
        pairs = []
        for plane, (chroma, lighting), sheet in zip(halves, self._chromas, scratch.chromas, strict=True):
            look_at_time()
            golden = chroma.moved(shifts, sheet.moved)
            pairs.append(
                (normalised(plane, *lighting.gain_and_offset(plane, (dx >> 1, dy >> 1)), sheet.normal), golden)
            )
        other = scratch.chromas[0].beyond
        for pair, sheet, out in zip(pairs, scratch.chromas, (scratch.tinted, other), strict=True):
            look_at_time()
            greatest(*pair, radius_px, sheet, out)
        cv2.max(scratch.tinted, other, dst=scratch.tinted)
        marked = scratch.differently_tinted
        cv2.threshold(scratch.tinted, self._contrast_levels - 1, 255, cv2.THRESH_BINARY, dst=marked.plane)
        cells = cells_of(marked.padded)
        if not cells.any():
            return []
        patches = patches_around(cells, marked.plane.shape, radius_px + VOTE_PX // 2)
        strips = ((patches.cut(normal), patches.cut(golden)) for normal, golden in pairs)
        heats = (Differences.between(*pair, radius_px).heat(self._heat_per_level, _CHROMA_VOTE_PX) for pair in strips)
        strip = cast("Plane", cv2.max(*heats))
        look_at_time()
        places = patches.places(strip, HEAT_THRESHOLD)
        # each pixel of half the size is four
        y, x = (np.repeat(2 * axis, 4) for axis in (places.y, places.x))
        y, x = y + np.tile([0, 0, 1, 1], places.y.size), x + np.tile([0, 1, 0, 1], places.x.size)
        heat, tinted = (
            np.repeat(levels, 4) for levels in (strip.ravel()[places.seen], scratch.tinted[places.y, places.x])
        )
        none = np.zeros(y.size, np.uint8)
        return [Hot(y, x, heat, none, none, tinted).chosen(outside(y, x, blind))]


def _tinted(scratch: Workspace, places: Places) -> NDArray[np.uint8]:
    """Return by how many levels either chroma differs at places; an odd last row or column has that beside it."""
    height, width = scratch.tinted.shape
    if not height or not width:
        return np.zeros(places.y.size, np.uint8)
    return scratch.tinted[np.minimum(places.y // 2, height - 1), np.minimum(places.x // 2, width - 1)]


def _typical(shifts: Shifts) -> tuple[int, int]:
    """Return the median shift, (dx, dy)."""
    dx, dy = np.sort(shifts.reshape(-1, 2), axis=0)[shifts.size // 4].tolist()
    return dx, dy


def _movable_chromas(image: NDArray[np.uint8], margin_px: int) -> list[MovableChroma]:
    """Return both chromas of an image, (h, w, 3) BGR, in half its size, moved by none and by one pixel each way."""
    half_margin_px = -(-margin_px // 2)
    wide = cast("Plane", cv2.copyMakeBorder(image, *(2 * half_margin_px + 1,) * 4, cv2.BORDER_REPLICATE))
    height, width = (length // 2 * 2 + 4 * half_margin_px for length in image.shape[:2])
    halves = HalfPlanes((height, width))
    phases: tuple[dict[tuple[int, int], Plane], dict[tuple[int, int], Plane]] = ({}, {})
    for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)):
        moved = wide[1 - y : 1 - y + height, 1 - x : 1 - x + width]
        for planes, plane in zip(phases, halves.of(moved)[1:], strict=True):
            planes[y, x] = plane.copy()
    shape = (image.shape[0] // 2, image.shape[1] // 2)
    return [MovableChroma(planes, shape, half_margin_px) for planes in phases]
