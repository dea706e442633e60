"""The place in a picture that a defect is drawn into: its pixels, how bright it is there, what lies around."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

VISIBLE_LEVELS = 3.0  # of 255: what changes less nobody sees
_DARK_LEVELS = 60.0  # a darker surface still shows a defect by as much as this one would
_LEAST_LEVELS = 2.5 * VISIBLE_LEVELS
_AROUND_PX = 6


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A window of a picture, and what is wanted there.

    `pixels` is (h, w, 1) or (h, w, 3) BGR float32 in 0..255, `brightness` the same without its grain. `on_part` is
    (h, w) bool: what lies beside the part stays as it is. `elsewhere` is a window of `pixels`' shape from another place
    of the picture. `centre_px` is where the defect's middle is in the window (x, y), `size_px` its longest extent, and
    `contrast` by which share of the surface's brightness it differs.
    """

    pixels: NDArray[np.float32]
    brightness: NDArray[np.float32]
    on_part: NDArray[np.bool_]
    elsewhere: NDArray[np.float32]
    centre_px: tuple[float, float]
    size_px: float
    contrast: float

    @property
    def shape(self) -> tuple[int, int]:
        """Its height and width."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def level(self) -> NDArray[np.float32]:
        """How bright the part is here: (c,) float32, the mean of its pixels."""
        mean: NDArray[np.float32] = self.pixels[self.on_part].mean(axis=0)
        return mean

    @property
    def step(self) -> NDArray[np.float32]:
        """By how many levels a defect of this contrast differs here, (h, w, 1) float32, above 0."""
        bright = np.maximum(self.brightness.mean(axis=2, keepdims=True), _DARK_LEVELS)
        step: NDArray[np.float32] = np.maximum(np.float32(self.contrast) * bright, np.float32(_LEAST_LEVELS))
        return step

    def sign(self, darker: bool) -> float:
        """Return -1 where it becomes darker and 1 where brighter: as wished, unless black or white leaves no room."""
        level = float(self.level.mean())
        wanted = max(_LEAST_LEVELS, self.contrast * max(level, _DARK_LEVELS)) / 2
        if darker:
            return -1.0 if level >= wanted else 1.0
        return 1.0 if 255 - level >= wanted else -1.0

    def coordinates(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return how far each pixel is from the middle to the right and down, (1, w) and (h, 1) float32."""
        height, width = self.shape
        right = np.arange(width, dtype=np.float32)[None, :] - np.float32(self.centre_px[0])
        down = np.arange(height, dtype=np.float32)[:, None] - np.float32(self.centre_px[1])
        return right, down


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of a picture in pixels; `right` and `bottom` are beyond it."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def around(cls, centre: tuple[int, int], size_px: float, shape: tuple[int, int]) -> Window:
        """Return what a defect of `size_px` around `centre` (x, y) can reach in a picture of `shape` (h, w)."""
        reach, (x, y) = round(size_px * 0.6) + _AROUND_PX, centre
        return cls(max(0, x - reach), max(0, y - reach), min(shape[1], x + reach + 1), min(shape[0], y + reach + 1))

    @property
    def slices(self) -> tuple[slice, slice]:
        """What takes it out of an array (h, w) or (h, w, c)."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def of(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a view of its pixels in an image, (h, w) or (h, w, c); it is (h, w, c) in any case."""
        pixels = image[self.slices]
        return pixels if pixels.ndim == 3 else pixels[:, :, None]

    def moved(self, rng: np.random.Generator, shape: tuple[int, int]) -> Window:
        """Return one of the same size somewhere in a picture of `shape` (h, w)."""
        width, height = self.right - self.left, self.bottom - self.top
        left = int(rng.integers(0, shape[1] - width + 1))
        top = int(rng.integers(0, shape[0] - height + 1))
        return Window(left, top, left + width, top + height)


def without_grain(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (h, w, c) float32 pixels smoothed over what is finer than a few px."""
    smooth = cv2.GaussianBlur(pixels, (0, 0), 3.0, borderType=cv2.BORDER_REFLECT)
    return smooth.reshape(pixels.shape).astype(np.float32, copy=False)
