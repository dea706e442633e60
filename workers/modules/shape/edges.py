"""Edges of a picture: where its brightness changes most, and in which direction.

A direction is that of the gradient, from dark to bright, in radians, clockwise from the x axis as seen on the picture
(y runs down). Where contrast may be either way round, directions are taken modulo half a turn.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]  # (h, w)
Floats = NDArray[np.float32]
Numbers = NDArray[np.intp]
_Plane = TypeVar("_Plane", Plane, Floats)

BLUR_SIGMA_PX = 1.0
BINS = 16  # of directions; a frame's edge counts for the two nearest, so up to 22.5 degrees beside a bin's middle
FINE = 64  # finer directions, for looking again at what was found
_ROW = 256  # OpenCV takes no array with a side of 32,767 or more
_SOBEL = 8.0  # what OpenCV's Sobel makes of a slope of one level per px
_SPREAD_PX = 1.2  # of a sharp edge once it is blurred: by that, contrast becomes a slope


class EdgePoints(NamedTuple):
    """Points on edges, (n,) each: `x`, `y` in px from the centre of the upper left pixel; `slope` in levels per px."""

    x: Floats
    y: Floats
    direction: Floats
    slope: Floats


class Gradients(NamedTuple):
    """Slopes of a blurred plane, (h, w) int16 each, eight for one level per px; `blurred` is (h, w) uint8."""

    blurred: Plane
    along_x: NDArray[np.int16]
    along_y: NDArray[np.int16]


def slope_of(contrast_levels: float) -> float:
    """Return the slope in levels per px that a sharp edge of that contrast has here."""
    return contrast_levels / (_SPREAD_PX * math.sqrt(2 * math.pi))


def grey_of(image: NDArray[np.uint8]) -> Plane:
    """Return an image, (h, w) or (h, w, 3) BGR, as one plane."""
    return image if image.ndim == 2 else cast("Plane", cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))


def halved(plane: Plane, times: int) -> Plane:
    """Return `plane`, (h, w) uint8, at half its size, `times` over; an odd row or column at the end is left out."""
    for _ in range(times):
        height, width = (max(1, length // 2) for length in plane.shape)
        plane = cast(
            "Plane", cv2.resize(plane[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
        )
    return plane


def soft(plane: Plane) -> Floats:
    """Return `plane`, (h, w) uint8, a little blurred, as float32: for what is measured to a part of a pixel."""
    return _blurred(plane.astype(np.float32))


def _blurred(plane: _Plane) -> _Plane:
    return cast("_Plane", cv2.GaussianBlur(plane, (5, 5), BLUR_SIGMA_PX, borderType=cv2.BORDER_REPLICATE))


def gradients(plane: Plane) -> Gradients:
    """Return the slopes of `plane`, (h, w) uint8, once it is blurred."""
    softened = _blurred(plane)
    along_x, along_y = cv2.spatialGradient(softened)
    return Gradients(softened, cast("NDArray[np.int16]", along_x), cast("NDArray[np.int16]", along_y))


def strong_pixels(found: Gradients, slope: float) -> tuple[Numbers, Floats, Floats]:
    """Return flat positions of the pixels that are as steep as `slope` at least, and their slopes along x and y."""
    either = np.abs(found.along_x) + np.abs(found.along_y)
    places = np.flatnonzero(either.ravel() >= slope * _SOBEL)
    x = found.along_x.ravel()[places].astype(np.float32) / _SOBEL
    y = found.along_y.ravel()[places].astype(np.float32) / _SOBEL
    steep = x * x + y * y >= slope * slope
    return places[steep], x[steep], y[steep]


def ridge_points(found: Gradients, slope: float) -> EdgePoints:
    """Return the points where an edge is steepest across it, to a part of a pixel."""
    x, y = (along.astype(np.float32) / _SOBEL for along in (found.along_x, found.along_y))
    steepness = cast("Floats", cv2.magnitude(x, y))
    inner = np.zeros(steepness.shape, bool)
    inner[2:-2, 2:-2] = steepness[2:-2, 2:-2] >= slope
    row, column = (each.astype(np.float32) for each in np.nonzero(inner))
    here = steepness[inner]
    across_x, across_y = x[inner] / here, y[inner] / here
    before, after = (_sampled_each(steepness, column + s * across_x, row + s * across_y) for s in (-1, 1))
    bend = before - 2 * here + after
    top = (here >= before) & (here > after)
    offset = np.clip((before - after)[top] / (2 * bend[top]), -0.5, 0.5)
    return EdgePoints(
        column[top] + offset * across_x[top],
        row[top] + offset * across_y[top],
        np.arctan2(across_y, across_x)[top],
        here[top],
    )


def sampled(plane: Floats, x: Floats, y: Floats) -> Floats:
    """Return `plane` at points between its pixels, (n, m), n below 32,767; outside it is as at its border."""
    return cast("Floats", cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _sampled_each(plane: Floats, x: NDArray[np.floating], y: NDArray[np.floating]) -> Floats:
    """Return `plane` at any number of points, (n,)."""
    if not len(x):
        return np.empty(0, np.float32)
    rows = (np.pad(each, (0, -len(each) % _ROW)).astype(np.float32).reshape(-1, _ROW) for each in (x, y))
    return sampled(plane, *rows).ravel()[: len(x)]


def spread_evenly(points: EdgePoints, most: int) -> EdgePoints:
    """Return at most `most` of `points`: the steepest of each square of a grid that is as fine as that allows."""
    side = 1.0
    while len(points.x) > most:
        row, column = (np.floor(each / side).astype(np.int64) for each in (points.y, points.x))
        cell = row * 1_000_003 + column
        order = np.lexsort((-points.slope, cell))
        first = np.ones(len(order), bool)
        first[1:] = cell[order][1:] != cell[order][:-1]
        points = EdgePoints(*(each[order[first]] for each in points))
        side *= 1.1
    return points
