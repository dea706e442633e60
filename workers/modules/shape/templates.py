"""An outline at each turn and scale that is looked at, as cells of the grid of the coarse search."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from workers.modules.shape.edges import BINS

if TYPE_CHECKING:
    from workers.modules.shape.edges import EdgePoints, Numbers
    from workers.modules.shape.outline import Outline
    from workers.modules.shape.wanted import Limits


class Template(NamedTuple):
    """The coarse points of an outline at one turn and scale: direction and cell of each, from its middle, (n,) intp."""

    angle_rad: float
    scale: float
    bins: Numbers
    rows: Numbers
    columns: Numbers


def templates_of(outline: Outline, limits: Limits) -> list[list[Template]]:
    """Return templates of all scales and turns within `limits`: those of one scale together, by their angles."""
    return [_of_scale(outline, limits, scale) for scale in _scales(outline, limits)]


def count_of(outline: Outline, limits: Limits) -> int:
    """Return how many templates there would be."""
    return sum(_turns(outline, limits, scale) for scale in _scales(outline, limits))


def turn_step(outline: Outline, scale: float) -> float:
    """Return by how much angle (rad) or scale (a share of it) may change, and still fill about the same cells."""
    return min(1.2 * outline.cell_px * outline.level_px / max(outline.radius * scale, 1.0), math.radians(15))


def _scales(outline: Outline, limits: Limits) -> list[float]:
    least, most = limits.scale_min, limits.scale_max
    if not limits.scales:
        return [least]
    count = 1 + math.ceil(math.log(most / least) / math.log1p(turn_step(outline, math.sqrt(least * most))))
    return [least * (most / least) ** ((index + 0.5) / count) for index in range(count)]


def _turns(outline: Outline, limits: Limits, scale: float) -> int:
    return max(1, math.ceil((limits.angle_max_rad - limits.angle_min_rad) / turn_step(outline, scale)))


def _of_scale(outline: Outline, limits: Limits, scale: float) -> list[Template]:
    span, count = limits.angle_max_rad - limits.angle_min_rad, _turns(outline, limits, scale)
    angles = [limits.angle_min_rad + span * (index + 0.5) / count for index in range(count)]
    return [_template(outline.coarse, outline.cell_px, each, scale, either=limits.either) for each in angles]


def _template(points: EdgePoints, cell_px: int, angle_rad: float, scale: float, *, either: bool) -> Template:
    """Return `points`, in px of the level, turned and scaled; with `either`, contrast may be either way round."""
    cos, sin = math.cos(angle_rad), math.sin(angle_rad)
    x, y = scale * (cos * points.x - sin * points.y), scale * (sin * points.x + cos * points.y)
    bins = np.rint(bins_of(points.direction + np.float32(angle_rad), either=either)).astype(np.intp) % BINS
    rows, columns = (np.rint(each / cell_px).astype(np.intp) for each in (y, x))
    order = np.lexsort((columns, rows, bins))  # what is read one after another lies close together
    return Template(angle_rad, scale, bins[order], rows[order], columns[order])


def bins_of(direction: NDArray[np.float32], *, either: bool) -> NDArray[np.float32]:
    """Return directions, (n,) float32 or of any shape, in bins, 0 to BINS, to a part of one."""
    turn = math.pi if either else 2 * math.pi
    return cast("NDArray[np.float32]", np.mod(direction, np.float32(turn)) * np.float32(BINS / turn))
