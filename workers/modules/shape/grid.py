"""The coarse search: how many points of a turned and scaled outline have an edge of their direction near them?

    edges --a plane of cells for each of 16 directions, widened by a cell--> sums, one for each pose of the outline

Each plane lies in one row of memory, with as many empty cells behind each of its rows as an outline reaches: so what
a point of an outline sees, wherever the outline lies, is one stretch of it, and to add the stretches of all points is
to look everywhere at once. (After S. Hinterstoisser and others, "Gradient response maps for real-time detection of
textureless objects", 2012, without its bits and tables.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.modules.shape.edges import BINS, Numbers
from workers.modules.shape.templates import Template, bins_of

if TYPE_CHECKING:
    from workers.context.run import LookAtTime

_AROUND = np.ones((3, 3), np.uint8)
_TIE = 1e-3  # so little that it only tells equals apart
_FIRST = 0.08  # of all points: by so much the middle of equal places is ahead
_ASK_EVERY = 16  # templates between two looks at the clock


class Candidates(NamedTuple):
    """Where outlines may lie, (n,) float64 each: the middle in px of the level, turn, scale, and how likely that is."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    angle_rad: NDArray[np.float64]
    scale: NDArray[np.float64]
    rank: NDArray[np.float64]

    def first(self, most: int) -> Candidates:
        """Return the `most` best of them, the best first."""
        order = np.argsort(-self.rank, kind="stable")[:most]
        return Candidates(*(column[order] for column in self))


class Grid:
    """Memory for one size of level images, and what each template reads of it.

    `groups` are templates of one scale each, by their angles, which go all the way round if `whole_turn`.
    """

    def __init__(
        self, height: int, width: int, cell_px: int, groups: Sequence[Sequence[Template]], *, whole_turn: bool
    ) -> None:
        self._whole_turn = whole_turn
        self._rows, self._columns = -(-height // cell_px), -(-width // cell_px)
        self._cell_px = cell_px
        self._width = width
        reach = max(int(np.abs(each).max()) for group in groups for t in group for each in (t.rows, t.columns))
        self._reach = reach + 1
        self._stride = self._columns + self._reach
        self._plane = (self._rows + 2 * self._reach) * self._stride
        shape = (BINS * (self._rows + 2 * self._reach), self._stride)
        self._edges, self._near = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        self._groups = groups
        self._stretches = [[self._read_by(each) for each in group] for group in groups]
        self._sums = np.zeros((max(map(len, groups)), self._rows * self._stride), np.uint8)

    def _read_by(self, template: Template) -> list[NDArray[np.uint8]]:
        first = template.bins * self._plane + (self._reach + template.rows) * self._stride + template.columns
        near, length = self._near.ravel(), self._rows * self._stride
        return [near[begin : begin + length] for begin in first.tolist()]

    def look(self, places: Numbers, direction: NDArray[np.float32], *, either: bool) -> None:
        """Take the edges of a level image: flat positions of pixels, and their directions."""
        row, column = np.divmod(places, self._width)
        cell = (row // self._cell_px + self._reach) * self._stride + column // self._cell_px
        bins = bins_of(direction, either=either)
        lower = bins.astype(np.intp) % BINS
        self._edges.fill(0)
        flat = self._edges.ravel()
        flat[lower * self._plane + cell] = 1
        flat[(lower + 1) % BINS * self._plane + cell] = 1
        cv2.dilate(self._edges, _AROUND, dst=self._near, borderType=cv2.BORDER_CONSTANT, borderValue=0)

    def candidates(
        self, least_share: float, most: int, allowed: NDArray[np.bool_] | None, look_at_time: LookAtTime
    ) -> Candidates:
        """Return the `most` likely places where `least_share` of the points have an edge.

        `allowed` is (rows, columns) of cells where a middle may be; None for all. `look_at_time` is called often.
        """
        scales = range(len(self._groups))
        found = [self._of_scale(number, least_share, most, allowed, look_at_time) for number in scales]
        return Candidates(*map(np.concatenate, zip(*found, strict=True))).first(most)

    def _of_scale(
        self, number: int, least_share: float, most: int, allowed: NDArray[np.bool_] | None, look_at_time: LookAtTime
    ) -> Candidates:
        group = self._groups[number]
        sums = self._sums[: len(group)]
        add = np.add
        for index, (total, stretches) in enumerate(zip(sums, self._stretches[number], strict=True)):
            if index % _ASK_EVERY == 0:
                look_at_time()
            add(stretches[0], stretches[1], total)
            for stretch in stretches[2:]:
                add(total, stretch, total)
        count = len(group[0].bins)
        best = sums.max(axis=0).reshape(self._rows, self._stride)[:, : self._columns]
        likely = (best >= least_share * count) & (best >= cv2.dilate(best, _AROUND))
        if allowed is not None:
            likely &= allowed
        # an outline fills its cells from several places alike, a bar from many: the one in their middle comes first, so
        # that each outline has one among the first, and the others follow
        level = best.astype(np.float32)
        level += cast("NDArray[np.float32]", cv2.blur(level, (3, 3), borderType=cv2.BORDER_CONSTANT)) * _TIE
        rank = level + (level >= cv2.dilate(level, _AROUND)) * np.float32(_FIRST * count)
        row, column = np.nonzero(likely)
        if len(row) > most:
            order = np.argsort(-rank[row, column], kind="stable")[:most]
            row, column = row[order], column[order]
        turns = sums[:, row * self._stride + column]
        # each place may be met at several turns: a part that looks almost the same upside down
        beside = np.pad(turns, ((1, 1), (0, 0)), mode="wrap" if self._whole_turn else "constant")
        top = (turns >= least_share * count) & (turns >= beside[:-2]) & (turns >= beside[2:])
        turn, place = np.nonzero(top)
        found = turns[turn, place]
        first = turn == turns.argmax(axis=0)[place]  # a disc is met at all turns alike
        ranks = (rank[row, column][place] - best[row, column][place] + found) / count - _FIRST * ~first
        angles = np.array([each.angle_rad for each in group])[turn]
        x, y = (((each[place] + 0.5) * self._cell_px - 0.5).astype(np.float64) for each in (column, row))
        return Candidates(x, y, angles, np.full(len(turn), group[0].scale), ranks.astype(np.float64)).first(most)

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of its cells."""
        return self._rows, self._columns
