"""Where an outline lies, to a part of a pixel: its points are moved along their normals onto the edges of the frame.

Each point looks along its normal for the steepest place, and least squares give the shift, turn and scale that bring
all points there. What lies far off (another edge, a covered one) counts less and less (Tukey's weights). The points
were put where the same look finds them in the taught picture, so what blur and sampling do cancels out.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers.modules.shape.edges import EdgePoints, Floats, sampled

_REACHES_PX = (4, 3, 2, 1)  # how far a point looks, round by round
_TUKEY = 4.685  # of the residuals' spread: what is beyond does not count
_FINEST_SPREAD_PX = 0.05
_RIDGE = 1e-3  # a circle has no angle, and a line no end: there the step is none
_FEWEST = 6


class Pose(NamedTuple):
    """Where the middle of a part lies, px from the centre of the upper left pixel; its turn, clockwise, and scale."""

    x: float
    y: float
    angle_rad: float
    scale: float


class Placed(NamedTuple):
    """Points of an outline in a frame, (n,) each, with the directions across their edges."""

    x: Floats
    y: Floats
    across_x: Floats
    across_y: Floats


def placed(points: EdgePoints, pose: Pose) -> Placed:
    """Return `points` as they lie by `pose`."""
    cos, sin = math.cos(pose.angle_rad), math.sin(pose.angle_rad)
    direction = points.direction + np.float32(pose.angle_rad)
    return Placed(
        (pose.x + pose.scale * (cos * points.x - sin * points.y)).astype(np.float32),
        (pose.y + pose.scale * (sin * points.x + cos * points.y)).astype(np.float32),
        np.cos(direction),
        np.sin(direction),
    )


def offsets_of(
    plane: Floats, points: EdgePoints, pose: Pose, reach_px: int, *, either: bool, slope: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return how far along its direction each point's edge lies, px, and whether it was seen within `reach_px`.

    `plane` is (h, w) float32, blurred. With `either`, contrast may be the other way round.
    """
    steps = reach_px  # whole ones: between pixels, `sampled` knows no more
    along = np.arange(-steps - 1, steps + 2, dtype=np.float32)
    at = placed(points, pose)
    levels = sampled(plane, at.x[:, None] + along * at.across_x[:, None], at.y[:, None] + along * at.across_y[:, None])
    slopes = (levels[:, 2:] - levels[:, :-2]) / 2
    if either:
        slopes = np.abs(slopes)
    near = 1 - 0.3 * (np.arange(-steps, steps + 1) / (steps + 1)) ** 2  # of two edges as steep, the nearer one
    top = np.clip((slopes * near.astype(np.float32)).argmax(axis=1), 1, 2 * steps - 1)
    row = np.arange(len(top))
    before, here, after = slopes[row, top - 1], slopes[row, top], slopes[row, top + 1]
    bend = before - 2 * here + after
    seen = (bend < 0) & (here >= before) & (here >= after) & (here > slope)
    part = np.where(seen, 0.5 * (before - after) / np.where(bend < 0, bend, -1), 0)
    return (top - steps + part).astype(np.float64), seen


def refined(plane: Floats, points: EdgePoints, pose: Pose, *, either: bool, scales: bool, slope: float) -> Pose:
    """Return `pose` moved so that `points` lie on edges of `plane`, (h, w) float32; with `scales` it is scaled too."""
    for reach in _REACHES_PX:
        offsets, seen = offsets_of(plane, points, pose, reach, either=either, slope=slope)
        if seen.sum() < _FEWEST:
            return pose
        pose = _moved(EdgePoints(*(each[seen] for each in points)), offsets[seen], pose, scales=scales)
    return pose


def _moved(points: EdgePoints, offsets: NDArray[np.float64], pose: Pose, *, scales: bool) -> Pose:
    """Return the pose that brings `points` nearest to their edges."""
    at = placed(points, pose)
    arm_x, arm_y = at.x - pose.x, at.y - pose.y
    size = max(float(np.sqrt(np.mean(arm_x * arm_x + arm_y * arm_y))), 1.0)
    turned, grown = at.across_y * arm_x - at.across_x * arm_y, at.across_x * arm_x + at.across_y * arm_y
    matrix = np.column_stack([at.across_x, at.across_y, turned / size, grown / size]).astype(np.float64)
    matrix = matrix if scales else matrix[:, :3]
    count = matrix.shape[1]
    step = np.zeros(count)
    for _ in range(2):
        left = offsets - matrix @ step
        spread = max(1.4826 * _middle(np.abs(left)), _FINEST_SPREAD_PX)
        weights = np.maximum(1 - (left / (_TUKEY * spread)) ** 2, 0) ** 2
        normal = (matrix * weights[:, None]).T @ matrix
        normal += _RIDGE * np.trace(normal) / count * np.eye(count)
        step = np.linalg.solve(normal, (matrix * weights[:, None]).T @ offsets)
    scale = pose.scale * max(1 + float(step[3]) / size, 0.5) if scales else pose.scale
    return Pose(pose.x + float(step[0]), pose.y + float(step[1]), pose.angle_rad + float(step[2]) / size, scale)


def _middle(values: NDArray[np.float64]) -> float:
    """Return the upper median; numpy's own takes ten times as long for a few hundred values."""
    half = len(values) // 2
    return float(np.partition(values, half)[half])


def agreement(plane: Floats, points: EdgePoints, pose: Pose, slope: float, *, either: bool) -> float:
    """Return how much of the outline is there, 0 to 1: the mean of how alike the directions of edges are.

    Where `plane`, (h, w) float32, is flatter than `slope`, there is none.
    """
    at = placed(points, pose)
    x = np.stack([at.x + at.across_x, at.x - at.across_x, at.x - at.across_y, at.x + at.across_y], axis=1)
    y = np.stack([at.y + at.across_y, at.y - at.across_y, at.y + at.across_x, at.y - at.across_x], axis=1)
    ahead, behind, left, right = sampled(plane, x, y).T
    across, beside = (ahead - behind) / 2, (left - right) / 2
    if either:
        across = np.abs(across)
    height, width = plane.shape
    inside = (at.x >= 0) & (at.y >= 0) & (at.x <= width - 1) & (at.y <= height - 1)
    alike = across / np.maximum(np.hypot(across, beside), np.float32(slope))
    return max(0.0, float(np.where(inside, alike, 0).mean()))
