"""What is looked for, where it may lie, and which of those that were found are it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from workers.modules.shape.outline import Outline
    from workers.modules.shape.refine import Pose

_TURN_SLACK_RAD = math.radians(1)
_SCALE_SLACK = 0.02


class Found(NamedTuple):
    """An outline that was found; its middle is in px from the centre of the picture's upper left pixel."""

    pose: Pose
    score: float


@dataclass(frozen=True, slots=True)
class Window:
    """Where the middle of an outline may lie: columns from `left` to before `right`, rows alike.

    `mask` is (rows, columns) uint8, 0 where it may not; None where it may everywhere.
    """

    left: int
    top: int
    right: int
    bottom: int
    mask: NDArray[np.uint8] | None = None

    def seen_from(self, left: int, top: int) -> Window:
        """Return the same window of a part of the picture that begins at `left`, `top`."""
        return replace(
            self, left=self.left - left, top=self.top - top, right=self.right - left, bottom=self.bottom - top
        )

    def holds(self, pose: Pose) -> bool:
        """Tell whether the middle lies in it."""
        column, row = math.floor(pose.x + 0.5), math.floor(pose.y + 0.5)
        if not (self.left <= column < self.right and self.top <= row < self.bottom):
            return False
        return self.mask is None or bool(self.mask[row - self.top, column - self.left])

    def cells(self, rows: int, columns: int, side_px: int) -> NDArray[np.bool_] | None:
        """Return which cells of a grid, (rows, columns) bool, touch it or are next to one that does; None for all."""
        within = np.zeros((rows, columns), bool)
        row, column = max(0, self.top // side_px - 1), max(0, self.left // side_px - 1)
        within[row : self.bottom // side_px + 2, column : self.right // side_px + 2] = True
        return None if within.all() else within


@dataclass(frozen=True, slots=True)
class Limits:
    """What is looked for: angles in rad, clockwise, scales, contrast `either` way round, and the least score.

    Two that are found may lie over each other by the share `overlap` of the smaller one's box.
    """

    angle_min_rad: float
    angle_max_rad: float
    scale_min: float
    scale_max: float
    min_score: float
    overlap: float
    either: bool

    @property
    def whole_turn(self) -> bool:
        """Whether all angles are looked at."""
        return self.angle_max_rad - self.angle_min_rad > 2 * math.pi - 1e-6

    @property
    def scales(self) -> bool:
        """Whether the scale is looked for."""
        return self.scale_max > self.scale_min

    def allow(self, found: Found) -> bool:
        """Tell whether score, angle and scale are as they may be; a little more is what measuring adds."""
        pose = found.pose
        middle = (self.angle_min_rad + self.angle_max_rad) / 2
        turned = abs(math.remainder(pose.angle_rad - middle, 2 * math.pi))
        right_turn = self.whole_turn or turned <= (self.angle_max_rad - self.angle_min_rad) / 2 + _TURN_SLACK_RAD
        least, most = self.scale_min * (1 - _SCALE_SLACK), self.scale_max * (1 + _SCALE_SLACK)
        return found.score >= self.min_score and right_turn and least <= pose.scale <= most


def best(found: Iterable[Found], most: int, outline: Outline, overlap: float) -> list[Found]:
    """Return the best ones; what lies over a better one by more than the share `overlap` is left out."""
    kept: list[Found] = []
    for each in sorted(found, key=lambda each: -each.score):
        if len(kept) == most:
            break
        if all(_shared(each.pose, other.pose, outline) <= overlap for other in kept):
            kept.append(each)
    return kept


def alike(one: Pose, other: Pose, near_px: float, turn_rad: float, scale: float) -> bool:
    """Tell whether two poses are the same, to so many pixels, so much of a turn and that share of the scale."""
    return (
        math.hypot(one.x - other.x, one.y - other.y) < near_px
        and abs(math.remainder(one.angle_rad - other.angle_rad, 2 * math.pi)) < turn_rad
        and abs(one.scale / other.scale - 1) < scale
    )


def _shared(one: Pose, other: Pose, outline: Outline) -> float:
    """Return the area that the boxes of two poses share, by the smaller box."""
    first, second = _box(one, outline), _box(other, outline)
    kind, corners = cv2.rotatedRectangleIntersection(first, second)
    if kind == cv2.INTERSECT_NONE or corners is None or len(corners) < 3:
        return 0.0
    smaller = min(width * height for _, (width, height), _ in (first, second))
    return float(cv2.contourArea(cv2.convexHull(corners))) / smaller


def _box(pose: Pose, outline: Outline) -> tuple[tuple[float, float], tuple[float, float], float]:
    width, height = (max(each, 1.0) * pose.scale for each in (outline.width, outline.height))
    return (pose.x, pose.y), (width, height), math.degrees(pose.angle_rad)
