"""A taught outline: points on the edges of a part, coarse ones to search with and fine ones to measure with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workers.modules.shape.edges import (
    EdgePoints,
    Plane,
    gradients,
    halved,
    ridge_points,
    slope_of,
    soft,
    spread_evenly,
)
from workers.modules.shape.refine import Pose, offsets_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

COARSE_POINTS = 63  # told apart in a search; more take longer and find hardly more
FINE_POINTS = 600
_FEWEST_POINTS = 12
_FEWEST_FINE_POINTS = 24
_MOST_LEVELS = 4
_CELLS_ACROSS = 5  # cells of the search grid from the middle of the part to its rim, at least
_SMALL_PX = 14
_WEAKER = 0.25  # so much of the contrast of the taught outline is still an edge in a frame
_ROUNDS = 3


class NoOutline(ValueError):
    """The taught picture shows no outline that could be found again."""


@dataclass(frozen=True, slots=True)
class Outline:
    """What is known of a part. Points are in px from its middle: `fine` in those of the picture, `coarse` in its level.

    A level is the picture at a half of its size, `level` times over. `cell_px` are the cells of the search's grid, in
    px of the level. `centre` is the middle of the part in the taught picture, from the centre of its upper left pixel;
    `width` and `height` are the upright box around the points, `radius` is how far they reach, all in px.
    """

    level: int
    cell_px: int
    coarse: EdgePoints
    fine: EdgePoints
    centre: tuple[float, float]
    width: float
    height: float
    radius: float
    coarse_slope: float
    fine_slope: float

    @property
    def level_px(self) -> int:
        """Side of a pixel of the level, in px."""
        return 1 << self.level


def taught(plane: Plane, inside: NDArray[np.bool_] | None, contrast_levels: float, scale_min: float) -> Outline:
    """Return the outline that `plane` shows; `inside` is (h, w), true where edges belong to it, None for everywhere.

    Raises:
        NoOutline: there are too few edges of that contrast.
    """
    slope = slope_of(contrast_levels)
    fine = _within(ridge_points(gradients(plane), slope), inside, 0)
    if len(fine.x) < _FEWEST_FINE_POINTS:
        msg = f"shows {len(fine.x)} px of edges with a contrast of {contrast_levels:g} levels, expected an outline"
        raise NoOutline(msg)
    left, right = float(fine.x.min()), float(fine.x.max())
    top, bottom = float(fine.y.min()), float(fine.y.max())
    centre = ((left + right) / 2, (top + bottom) / 2)
    reach = np.hypot(fine.x - centre[0], fine.y - centre[1])
    level, cell_px = _grid_of(float(np.percentile(reach, 90)) * scale_min)
    coarse = _within(ridge_points(gradients(halved(plane, level)), slope), inside, level)
    while len(coarse.x) < _FEWEST_POINTS and level:
        level -= 1
        coarse = _within(ridge_points(gradients(halved(plane, level)), slope), inside, level)
    coarse, chosen = spread_evenly(coarse, COARSE_POINTS), spread_evenly(fine, FINE_POINTS)
    return Outline(
        level,
        cell_px,
        _around(coarse, tuple((each + 0.5) / 2**level - 0.5 for each in centre)),
        _settled(plane, _around(chosen, centre), centre),
        centre,
        right - left,
        bottom - top,
        float(reach.max()),
        max(slope / 2, _WEAKER * float(np.percentile(coarse.slope, 10))),
        max(slope / 2, _WEAKER * float(np.percentile(chosen.slope, 10))),
    )


def _grid_of(radius_px: float) -> tuple[int, int]:
    """Return the level and the cells, in px of it, for a part that reaches so far from its middle."""
    if radius_px < _SMALL_PX:
        return 0, 2
    level = 1
    while level < _MOST_LEVELS and radius_px >= 2 ** (level + 2) * _CELLS_ACROSS:
        level += 1
    return (1, 2) if level == 1 else (level - 1, 4)


def _within(points: EdgePoints, inside: NDArray[np.bool_] | None, level: int) -> EdgePoints:
    if inside is None:
        return points
    row, column = (np.floor((each + 0.5) * 2**level).astype(np.intp) for each in (points.y, points.x))
    chosen = inside[np.clip(row, 0, inside.shape[0] - 1), np.clip(column, 0, inside.shape[1] - 1)]
    return EdgePoints(*(each[chosen] for each in points))


def _around(points: EdgePoints, centre: tuple[float, ...]) -> EdgePoints:
    x, y = ((each - middle).astype(np.float32) for each, middle in zip(points[:2], centre, strict=True))
    return points._replace(x=x, y=y)


def _settled(plane: Plane, points: EdgePoints, centre: tuple[float, float]) -> EdgePoints:
    """Move points along their directions to where frames are measured, so that the taught picture lies at 0."""
    smooth = soft(plane)
    for _ in range(_ROUNDS):
        offsets, seen = offsets_of(smooth, points, Pose(*centre, 0.0, 1.0), 1, either=False)
        moves = np.where(seen, offsets, 0).astype(np.float32)
        x, y = points.x + moves * np.cos(points.direction), points.y + moves * np.sin(points.direction)
        points = points._replace(x=x, y=y)
    kept = seen & (np.abs(moves) < 0.1)
    return EdgePoints(*(each[kept] for each in points)) if kept.sum() >= _FEWEST_FINE_POINTS else points
