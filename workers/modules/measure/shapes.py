"""What tools find: a spot, a straight edge, a round one; and how far apart they lie.

All of one tool are in one space: px of the frame, or mm of the plane that a calibration knows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workers.context.placement import points_in_frame
from workers.modules.measure.fits import Line

if TYPE_CHECKING:
    from workers.calibration.plane import Plane
    from workers.context.placement import Matrix

Point = NDArray[np.float64]


class NotFound(Exception):
    """A tool has found nothing; the text says what it has seen."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A point, (2,); `length` is what an edge or a width has measured, from `begin` to `end`."""

    point: Point
    begin: Point
    end: Point

    @property
    def length(self) -> float:
        """How far begin and end lie apart."""
        return float(np.hypot(*(self.end - self.begin)))


@dataclass(frozen=True, slots=True)
class Straight:
    """A straight edge between two points, (2,); `spread` is how far its points lie beside it, in all."""

    begin: Point
    end: Point
    spread: float

    @property
    def middle(self) -> Point:
        """The point half way, (2,)."""
        return np.asarray((self.begin + self.end) / 2)

    @property
    def direction(self) -> Point:
        """The unit vector from begin to end, (2,)."""
        away = self.end - self.begin
        return np.asarray(away / max(float(np.hypot(*away)), 1e-12))

    @property
    def line(self) -> Line:
        """The same without ends."""
        return Line(self.begin, self.direction)


@dataclass(frozen=True, slots=True)
class Round:
    """A round edge around a point, (2,); `spread` is how far its points lie inside and outside of it, in all."""

    point: Point
    radius: float
    spread: float


Shape = Spot | Straight | Round


@dataclass(frozen=True, slots=True)
class Found:
    """What a tool has found, in px of the frame and, with a calibration, in mm."""

    px: Shape
    mm: Shape | None = None

    def within(self, unit: str) -> Shape:
        """Return it in that unit."""
        if unit == "mm":
            assert self.mm is not None
            return self.mm
        return self.px


@dataclass(frozen=True, slots=True)
class Space:
    """How the image at hand lies in the frame, (3, 3), and the frame's pixels in the plane that is measured."""

    placement: Matrix | None
    plane: Plane | None

    def px(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points of the image, (n, 2), as points of the frame."""
        return points if self.placement is None else points_in_frame(points, self.placement)

    def mm(self, points: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Return points of the frame, (n, 2) px, in mm."""
        return None if self.plane is None else self.plane.mm(points)


def nearest(one: Shape, other: Shape) -> tuple[Point, Point]:
    """Return where the distance of two shapes is taken, (2,) each: of two lines from the middle of one to the other."""
    if isinstance(one, Straight):
        if isinstance(other, Straight):
            return one.middle, other.line.foot(one.middle)
        return one.line.foot(other.point), other.point
    return one.point, other.line.foot(one.point) if isinstance(other, Straight) else other.point


def distance(one: Shape, other: Shape) -> float:
    """Return how far two shapes lie apart; of two lines the mean, at the middle of each."""
    first, second = nearest(one, other)
    apart = float(np.hypot(*(second - first)))
    if isinstance(one, Straight) and isinstance(other, Straight):
        first, second = nearest(other, one)
        apart = (apart + float(np.hypot(*(second - first)))) / 2
    return apart


def angle_degrees(one: Straight, other: Straight) -> float:
    """Return the angle between two directions, 0 to 180."""
    turned = turned_degrees(one.direction, other.direction)
    return abs(turned)


def turned_degrees(one: Point, other: Point) -> float:
    """Return by how much `other`, (2,), is turned against `one`, clockwise as the picture is seen, -180 to 180."""
    return math.degrees(math.atan2(one[0] * other[1] - one[1] * other[0], float(one @ other)))


def crossing(one: Straight, other: Straight) -> Point:
    """Return where two lines meet, (2,); raises NotFound where they are parallel."""
    turned = one.direction[0] * other.direction[1] - one.direction[1] * other.direction[0]
    if abs(turned) < 1e-6:
        raise NotFound("the lines are parallel")
    away = other.begin - one.begin
    along = (away[0] * other.direction[1] - away[1] * other.direction[0]) / turned
    return np.asarray(one.begin + along * one.direction)
