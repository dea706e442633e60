"""Looks again at candidates of the coarse search, each one moved and turned a little."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workers.modules.shape.edges import FINE, EdgePoints, Floats, Numbers
from workers.modules.shape.grid import Candidates

if TYPE_CHECKING:
    from workers.context.run import LookAtTime

_PER_ROUND = 32  # candidates looked at together, for memory


def _alikeness(*, either: bool) -> Floats:
    """Return how alike the direction of a pixel, 1 to FINE (0: no edge), and one of a point are: (FINE + 1, FINE)."""
    apart = (np.arange(FINE)[:, None] - np.arange(FINE)) * (math.pi if either else 2 * math.pi) / FINE
    table = np.zeros((FINE + 1, FINE), np.float32)
    table[1:] = np.cos(2 * apart) if either else np.cos(apart)
    return table


_ALIKE = {either: _alikeness(either=either).ravel() for either in (False, True)}


class Directions:
    """The directions of the edges of a level image, a number for each pixel."""

    def __init__(self, height: int, width: int, places: Numbers, direction: Floats, *, either: bool) -> None:
        """Take flat positions of pixels on edges, and their directions."""
        self._height, self._width = height, width
        self._either = either
        self._numbers = np.zeros(height * width + 1, np.uint8)  # the last one is what lies outside
        self._numbers[places] = 1 + self._fine(direction)

    def better(
        self, points: EdgePoints, candidates: Candidates, freedom: tuple[int, int, float], look_at_time: LookAtTime
    ) -> Candidates:
        """Return candidates moved and turned, the best first. `look_at_time` is called often.

        `freedom` is by how many px they may move each way, in which steps, and by which angle (rad) turn either way.
        """
        reach_px, step_px, turn_rad = freedom
        near = np.arange(-reach_px, reach_px + 1, step_px)
        shift_y, shift_x = (each.ravel() for each in np.meshgrid(near, near, indexing="ij"))
        turns = np.array([-1, 0, 1]) * turn_rad
        moved = []
        for begin in range(0, len(candidates.x), _PER_ROUND):
            look_at_time()
            some = Candidates(*(each[begin : begin + _PER_ROUND] for each in candidates))
            angles = some.angle_rad[:, None] + turns
            scores = self._scores(points, some, angles, (shift_x, shift_y)).reshape(len(angles), -1)
            best, row = scores.argmax(axis=1), np.arange(len(angles))
            turn, shift = np.divmod(best, len(shift_x))
            x, y = some.x + shift_x[shift], some.y + shift_y[shift]
            moved.append((x, y, angles[row, turn], some.scale, scores[row, best]))
        return Candidates(*map(np.concatenate, zip(*moved, strict=True))).first(len(candidates.x))

    def _scores(
        self,
        points: EdgePoints,
        candidates: Candidates,
        angles: NDArray[np.float64],
        shifts: tuple[NDArray[np.int64], NDArray[np.int64]],
    ) -> Floats:
        """Return how alike points are, on average, for each candidate, its `angles` (n, turns), and each shift."""
        x, y, scale = candidates.x, candidates.y, candidates.scale
        cos, sin = (scale[:, None] * turned for turned in (np.cos(angles), np.sin(angles)))
        across = np.rint(x[:, None, None] + cos[..., None] * points.x - sin[..., None] * points.y).astype(np.int32)
        down = np.rint(y[:, None, None] + sin[..., None] * points.x + cos[..., None] * points.y).astype(np.int32)
        wanted = self._fine(points.direction + angles[..., None].astype(np.float32))
        column = across[:, :, None] + shifts[0][:, None].astype(np.int32)
        row = down[:, :, None] + shifts[1][:, None].astype(np.int32)
        inside = (column >= 0) & (column < self._width) & (row >= 0) & (row < self._height)
        place = np.where(inside, row * np.int32(self._width) + column, np.int32(len(self._numbers) - 1))
        seen = self._numbers[place].astype(np.int32) * np.int32(FINE) + wanted[:, :, None]
        found: Floats = _ALIKE[self._either][seen].mean(axis=3)
        return found

    def _fine(self, direction: Floats) -> NDArray[np.int32]:
        turn = math.pi if self._either else 2 * math.pi
        numbers: NDArray[np.int32] = np.rint(direction * np.float32(FINE / turn)).astype(np.int32) % FINE
        return numbers
