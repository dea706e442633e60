"""Scenes for the search of outlines: parts of our own drawing, at places known to a small part of a pixel.

A part is drawn eight times as large, then turned, scaled and moved onto pixels three times as fine as those of the
picture, and averaged: so no drawing of lines decides where an edge is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

_LARGER = 8
_FINER = 3
_SOFT_PX = 0.8  # of a lens
BACKGROUND = 90


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part lies: the middle of its picture in px from the upper left corner; degrees clockwise."""

    x: float
    y: float
    degrees: float = 0.0
    scale: float = 1.0

    def of(self, x: float, y: float) -> tuple[float, float]:
        """Return the point of the scene that shows the point `x`, `y` px beside the middle of the part's picture."""
        cos, sin = math.cos(math.radians(self.degrees)), math.sin(math.radians(self.degrees))
        return self.x + self.scale * (cos * x - sin * y), self.y + self.scale * (sin * x + cos * y)


class Part:
    """A part: `large` is (h, w) uint8, drawn eight times as large, a margin of background around it."""

    def __init__(self, width: int, height: int, draw: Callable[[Pen], None]) -> None:
        self.width, self.height = width, height
        sharp = np.full((height * _LARGER, width * _LARGER), BACKGROUND, np.uint8)
        draw(Pen(sharp))
        self.large = cast("Image", cv2.GaussianBlur(sharp, (0, 0), _SOFT_PX * _LARGER))
        seen = cv2.findNonZero(cast("Image", cv2.absdiff(sharp, np.full_like(sharp, BACKGROUND))))
        self.box = tuple(each / _LARGER for each in cv2.boundingRect(seen))

    @property
    def picture(self) -> Image:
        """The part as it is taught, (h, w) uint8."""
        return cast("Image", cv2.resize(self.large, (self.width, self.height), interpolation=cv2.INTER_AREA))

    def put(self, scene: NDArray[np.float32], place: Place, light: float, covered: float) -> None:
        """Draw it into `scene`, (h, w) float32; a sheet hides the share `covered` of its box, from its left."""
        reach = math.ceil(math.hypot(self.width, self.height) / 2 * place.scale) + 2
        left, top, size = math.floor(place.x) - reach, math.floor(place.y) - reach, 2 * reach
        cos, sin = math.cos(math.radians(place.degrees)), math.sin(math.radians(place.degrees))
        turn = np.array([[cos, sin], [-sin, cos]]) / place.scale
        # from the centre of a fine pixel to the part's own px, corner to corner, then to the centre of a large pixel
        first = turn @ (np.array([left - place.x, top - place.y]) + 0.5 / _FINER) + [self.width / 2, self.height / 2]
        matrix = np.column_stack([turn * _LARGER / _FINER, first * _LARGER - 0.5])
        fine = (size * _FINER, size * _FINER)
        sheet = self.large.copy()
        if covered:
            left_px, _, width_px, _ = self.box
            sheet[:, : round((left_px + width_px * covered) * _LARGER)] = 150
        shape = np.zeros_like(self.large)
        shape[_LARGER:-_LARGER, _LARGER:-_LARGER] = 255
        levels, share = (
            cv2.resize(
                cv2.warpAffine(each, matrix, fine, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP),
                (size, size),
                interpolation=cv2.INTER_AREA,
            )
            for each in (sheet.astype(np.float32), shape.astype(np.float32) / 255)
        )
        rows = slice(max(top, 0), min(top + size, scene.shape[0]))
        columns = slice(max(left, 0), min(left + size, scene.shape[1]))
        own = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
        scene[rows, columns] += share[own] * (levels[own] * light - scene[rows, columns])


class Pen:
    """Draws on a large plane in px of the part, corners between pixels."""

    def __init__(self, plane: Image) -> None:
        self._plane = plane

    def box(self, left: float, top: float, right: float, bottom: float, level: int) -> None:
        """Fill a rectangle."""
        rows, columns = (slice(round(a * _LARGER), round(b * _LARGER)) for a, b in ((top, bottom), (left, right)))
        self._plane[rows, columns] = level

    def disc(self, x: float, y: float, radius: float, level: int) -> None:
        """Fill a circle."""
        middle = (round(x * _LARGER), round(y * _LARGER))
        cv2.circle(self._plane, middle, round(radius * _LARGER), level, -1)

    def polygon(self, corners: Sequence[tuple[float, float]], level: int) -> None:
        """Fill a polygon."""
        points = np.rint(np.array(corners) * _LARGER).astype(np.int32)
        cv2.fillPoly(self._plane, [points], level)


def bracket() -> Part:
    """A bracket of 110x85 px with a hole, a slot and a notch: it looks the same at no two angles."""

    def draw(pen: Pen) -> None:
        pen.box(25, 35, 135, 120, 200)
        pen.disc(55, 75, 18, 60)
        pen.box(90, 50, 120, 70, 120)
        pen.polygon([(88, 107), (92, 103), (132, 83), (128, 91)], 30)

    return Part(160, 160, draw)


def scene(
    part: Part,
    *places: Place,
    size: tuple[int, int] = (1024, 1920),
    seed: int = 0,
    light: float = 1.0,
    covered: float = 0.0,
    noise: float = 5.0,
    clutter: int = 25,
) -> Image:
    """Return a picture, (h, w) uint8, with `part` at `places`, `clutter` grey boxes behind it, and noise."""
    random = np.random.default_rng(seed)
    height, width = size
    clouds = random.normal(0, 8, (9, 16)).astype(np.float32)
    levels = (
        cast("NDArray[np.float32]", cv2.resize(clouds, (width, height), interpolation=cv2.INTER_CUBIC)) + BACKGROUND
    )
    for _ in range(clutter):
        x, y = (int(random.integers(0, length)) for length in (width, height))
        wide, high = (int(each) for each in random.integers(10, 90, 2))
        levels[y : y + high, x : x + wide] = float(random.integers(40, 220))
    for place in places:
        part.put(levels, place, light, covered)
    return np.clip(np.rint(levels + random.normal(0, noise, size)), 0, 255).astype(np.uint8)
