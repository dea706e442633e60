"""Lines and circles through points, some of which are wrong.

The shape that half of the points lie nearest to is found among shapes through two or three of them (least median of
squares); points that lie farther beside it than their noise explains are left out, and the rest have the mean shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

_MOST_TRIES = 120
_SIGMAS = 3.0


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line through `point`, (2,), along the unit vector `direction`, (2,)."""

    point: NDArray[np.float64]
    direction: NDArray[np.float64]

    def beside(self, points: Points) -> NDArray[np.float64]:
        """Return how far points, (n, 2), lie beside it, signed."""
        x, y = (points - self.point).T
        return np.asarray(self.direction[0] * y - self.direction[1] * x)

    def foot(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the point of the line that is nearest to `point`, (2,)."""
        return np.asarray(self.point + self.direction * ((point - self.point) @ self.direction))


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle around `centre`, (2,)."""

    centre: NDArray[np.float64]
    radius: float

    def beside(self, points: Points) -> NDArray[np.float64]:
        """Return how far points, (n, 2), lie outside of it, below zero for inside."""
        return np.asarray(np.hypot(*(points - self.centre).T) - self.radius)


_Shape = TypeVar("_Shape", Line, Circle)


def mean_line(points: Points) -> Line:
    """Return the line with the least squares of distances to `points`, (n, 2)."""
    middle = points.mean(axis=0)
    x, y = (points - middle).T
    turn = math.atan2(2 * float(x @ y), float(x @ x - y @ y)) / 2  # of the longer axis of the ellipse that they make
    return Line(middle, np.array([math.cos(turn), math.sin(turn)]))


def mean_circle(points: Points) -> Circle:
    """Return the circle with the least squares of distances to `points`, (n, 2)."""
    middle = points.mean(axis=0)
    scale = max(float(np.abs(points - middle).max()), 1e-12)  # so that squares are of one size
    x, y = places = (points - middle).T / scale
    # an algebraic circle to begin with, then Gauss and Newton's way to the distances
    solved = _least_squares(np.stack([x, y, np.ones(len(x))]), x**2 + y**2)
    centre, radius = solved[:2] / 2, math.sqrt(max(float(solved[2] + (solved[:2] ** 2).sum() / 4), 0.0))
    for _ in range(6):
        away = places - centre[:, None]
        distance = np.maximum(np.hypot(away[0], away[1]), 1e-12)
        step = _least_squares(np.stack([-away[0] / distance, -away[1] / distance, -np.ones(len(x))]), radius - distance)
        centre, radius = centre + step[:2], radius + float(step[2])
        if np.abs(step).max() < 1e-8:
            break
    return Circle(middle + centre * scale, radius * scale)


def _least_squares(slopes: NDArray[np.float64], goal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what `slopes`, (3, n), are multiplied by to be nearest to `goal`, (n,)."""
    squares = slopes @ slopes.T
    squares[np.diag_indices(3)] += 1e-13 * np.trace(squares)  # points on one line, or on a very short arc
    return np.asarray(np.linalg.solve(squares, slopes @ goal))


def robust_line(points: Points, least_noise: float) -> tuple[Line, NDArray[np.bool_]]:
    """Return the line through most of `points`, (n, 2), n at least 2, and which of them it goes through, (n,)."""
    chosen = points[_tries(len(points), 2)]
    along = chosen[:, 1] - chosen[:, 0]
    along /= np.maximum(np.hypot(*along.T), 1e-12)[:, None]
    away = points[None] - chosen[:, :1]
    beside = along[:, :1] * away[..., 1] - along[:, 1:] * away[..., 0]
    return _without_outliers(points, beside, mean_line, 2, least_noise)


def robust_circle(points: Points, least_noise: float) -> tuple[Circle, NDArray[np.bool_]]:
    """Return the circle through most of `points`, (n, 2), n at least 3, and which of them it goes through, (n,)."""
    first, second, third = points[_tries(len(points), 3)].transpose(1, 0, 2)
    (ax, ay), (bx, by) = (second - first).T, (third - first).T
    area = 2 * (ax * by - ay * bx)
    area = np.where(np.abs(area) < 1e-9, np.inf, area)  # three on a line have no circle: one without a size stands in
    a2, b2 = ax**2 + ay**2, bx**2 + by**2
    centres = first + np.column_stack([(by * a2 - ay * b2) / area, (ax * b2 - bx * a2) / area])
    radii = np.hypot(*(centres - first).T)
    beside = np.hypot(*(points[None] - centres[:, None]).transpose(2, 0, 1)) - radii[:, None]
    return _without_outliers(points, beside, mean_circle, 3, least_noise)


def _without_outliers(
    points: Points, beside: NDArray[np.float64], mean: Callable[[Points], _Shape], enough: int, least_noise: float
) -> tuple[_Shape, NDArray[np.bool_]]:
    """Return the mean shape of what lies near the best of the tried ones; `beside` is (tries, n)."""
    distances = np.abs(beside)
    medians = np.median(distances, axis=1)
    best = int(medians.argmin())
    kept = distances[best] <= _SIGMAS * _noise(float(medians[best]), len(points), enough, least_noise)
    shape = mean(points[kept])
    for _ in range(2):
        distances_now = np.abs(shape.beside(points))
        noise = _noise(float(np.median(distances_now)), len(points), enough, least_noise)
        kept = distances_now <= _SIGMAS * noise
        shape = mean(points[kept])
    return shape, kept


def _noise(median: float, count: int, enough: int, least: float) -> float:
    """Return the sigma of normal noise with that median of distances from a shape of `enough` of `count` points."""
    return max(1.4826 * (1 + 5 / max(count - enough, 1)) * median, least)


@lru_cache(maxsize=256)
def _tries(count: int, size: int) -> NDArray[np.intp]:
    """Return which points make the shapes that are tried, (tries, size), the same each time."""
    if size == 2 and count * (count - 1) // 2 <= _MOST_TRIES:
        return np.array(list(combinations(range(count), 2)), np.intp)
    if size == 3 and count <= 9:
        return np.array(list(combinations(range(count), 3)), np.intp)
    draw = np.random.default_rng(count)
    return np.array([draw.choice(count, size, replace=False) for _ in range(_MOST_TRIES)], np.intp)
