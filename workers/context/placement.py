"""How the image at hand lies in the frame that came in, where a module has cropped, turned or scaled it.

A placement is a (3, 3) float64 matrix: it takes a point of the image, (x, y, 1), to the one of the frame that it shows.
(0, 0) is the upper left corner of the upper left pixel, so that to crop is to add and to scale is to multiply.

Rectangles, lines and heatmaps in a context are always those of the frame: what a module has found in a moved image is
brought there as soon as it has ended.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

WHOLE: Matrix = np.eye(3)
_TO_CENTRES = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
_FROM_CENTRES = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
_NEARLY = 1e-6
_KEYS = ("x", "y", "width", "height")


def usable_matrix(value: object) -> Matrix:
    """Return `value` as a placement, (3, 3); raises ValueError where it is none, or one that cannot be undone."""
    expected = "expected a matrix (3, 3) or (2, 3) of numbers that takes pixels of the new image to the one before"
    try:
        matrix = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        msg = f"is none, {expected}"
        raise ValueError(msg) from None
    if matrix.shape == (2, 3):
        matrix = np.vstack([matrix, [0, 0, 1]])
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < _NEARLY**2:
        msg = f"is {matrix.tolist()}, {expected}"
        raise ValueError(msg)
    return matrix


def for_warp(matrix: Matrix) -> Matrix:
    """Return a placement, (3, 3), as OpenCV's warps count: (0, 0) is the centre of the upper left pixel."""
    moved: Matrix = _TO_CENTRES @ matrix @ _FROM_CENTRES
    return moved


def heat_in_frame(heat: Any, matrix: Matrix, height: int, width: int) -> NDArray[Any]:
    """Bring a heatmap, (h, w) float, bool or uint8, to the frame of `height` by `width` px; outside it is cold."""
    given = np.asarray(heat)
    plain = given if given.dtype in {np.dtype(np.float32), np.dtype(np.uint8)} else given.astype(np.float32)
    return cv2.warpPerspective(plain, for_warp(matrix), (width, height), flags=cv2.INTER_LINEAR)


def rectangle_in_frame(rectangle: Mapping[str, Any], matrix: Matrix) -> dict[str, Any]:
    """Return a complete rectangle of the image as one of the frame; `matrix`, (3, 3), is the image's placement.

    Where it turns, it is turned (`rotate`); where that leaves no rectangle (a perspective, a shear, sides
    scaled apart and turned), it is the upright one around the corners.
    """
    x, y, width, height = (float(rectangle[key]) for key in _KEYS)
    angle = float(rectangle.get("rotate", 0.0))
    corners = points_in_frame(corners_of(x, y, width, height, angle), matrix)
    sides = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    top = corners[1] - corners[0]
    turned = math.degrees(math.atan2(top[1], top[0]))
    centre = corners.mean(axis=0)
    if not _is_rectangle(corners, sides) or abs(turned / 90 - round(turned / 90)) * 90 < _NEARLY * 100:
        (left, upper), (right, lower) = corners.min(axis=0), corners.max(axis=0)
        placed = {"x": left, "y": upper, "width": right - left, "height": lower - upper, "rotate": 0.0}
    else:
        # a picture that was mirrored turns the other way round: its upper side is the lower one of the frame
        placed = {
            "x": centre[0] - sides[0] / 2,
            "y": centre[1] - sides[1] / 2,
            "width": sides[0],
            "height": sides[1],
            "rotate": (turned + 90) % 180 - 90,
        }
    scale = _polygon_area(corners) / max(width * height, _NEARLY)
    numbers = {key: _tidy(float(value)) for key, value in placed.items()}
    return {**rectangle, **numbers, "area": float(rectangle.get("area", width * height)) * scale}


def line_in_frame(line: Mapping[str, Any], matrix: Matrix) -> dict[str, Any]:
    """Return an entry of `lines`, from `start` to `end`, as one of the frame; what is no such line stays as it is.

    `matrix`, (3, 3), is the image's placement.
    """
    points = [_place_of(line.get(key)) for key in ("start", "end")]
    if None in points:
        return dict(line)
    start, end = points_in_frame(np.array(points, np.float64), matrix)
    away = end - start
    length = float(np.hypot(*away))
    moved = {"start": _as_place(start), "end": _as_place(end)}
    own = {"length": _tidy(length), "angle": _tidy(math.degrees(math.atan2(away[1], away[0])))}
    return {**line, **moved, **{key: value for key, value in own.items() if key in line}}


def _place_of(value: object) -> tuple[float, float] | None:
    """Return x and y of {"x": ..., "y": ...}, or None for anything else."""
    if not isinstance(value, Mapping):
        return None
    x, y = value.get("x"), value.get("y")
    if not isinstance(x, int | float | np.number) or not isinstance(y, int | float | np.number):
        return None
    try:
        return float(x), float(y)
    except OverflowError:
        return None


def _as_place(point: NDArray[np.float64]) -> dict[str, float]:
    return {"x": _tidy(float(point[0])), "y": _tidy(float(point[1]))}


def points_in_frame(points: NDArray[np.float64], matrix: Matrix) -> NDArray[np.float64]:
    """Return points of the image, (n, 2) px, as points of the frame."""
    return through(matrix, points)


def through(matrix: Matrix, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points of a plane, (n, 2), as points of another, as a homography (3, 3) brings them there."""
    homogeneous = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    found: NDArray[np.float64] = homogeneous[:, :2] / homogeneous[:, 2:]
    return found


def corners_of(x: float, y: float, width: float, height: float, angle: float) -> NDArray[np.float64]:
    """Return the corners of a rectangle that is turned by `angle` degrees, (4, 2) px in drawing order."""
    half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width / 2, height / 2)
    turn = math.radians(angle)
    rotation = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    corners: NDArray[np.float64] = half @ rotation + (x + width / 2, y + height / 2)
    return corners


def _is_rectangle(corners: NDArray[np.float64], sides: NDArray[np.float64]) -> bool:
    diagonals = np.linalg.norm(corners[2:] - corners[:2], axis=1)
    largest = max(float(sides.max()), _NEARLY)
    same_sides = np.allclose(sides[:2], sides[2:], atol=_NEARLY * largest)
    return bool(same_sides and abs(diagonals[0] - diagonals[1]) < _NEARLY * largest * 10)


def _polygon_area(corners: NDArray[np.float64]) -> float:
    following = np.roll(corners, -1, axis=0)
    return abs(float((corners[:, 0] * following[:, 1] - following[:, 0] * corners[:, 1]).sum())) / 2


def _tidy(value: float) -> float:
    """Return a number without what arithmetic has left behind: 40.00000000000001 px are 40."""
    near = round(value)
    return float(near) if abs(value - near) < _NEARLY else value


def composed(outer: Matrix | None, inner: Sequence[Sequence[float]] | Matrix) -> Matrix:
    """Return the placement, (3, 3), of an image that lies by `inner` in one that lies by `outer` in the frame."""
    own: Matrix = np.asarray(inner, np.float64)
    whole: Matrix = own if outer is None else outer @ own
    scaled: Matrix = whole / whole[2, 2]
    return scaled
