"""The planes of an image that are compared, and the memory that a comparison writes to.

Luma is looked at in every pixel. Both chromas are looked at in half the size: neither Bayer sensors nor JPEG have more
of them, and a quarter of the pixels is a quarter of the time. Not blue, green and red, where what JPEG does to the
chromas would show almost twice as strong.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

CELL_PX = 4

Plane = NDArray[np.uint8]  # (h, w)


class Sheet:
    """What one plane of a frame needs beside itself, each (h, w) uint8.

    `moved` is the golden plane where the frame has it, `normal` the frame as bright as that; `more` and `less` are by
    how many levels the frame leaves the golden plane's envelope, and the golden plane the frame's. `heat` is what
    follows, 0..255; it lies in `padded`, whose sides are full of cells of `cell_px`.
    """

    def __init__(self, shape: tuple[int, int], cell_px: int) -> None:
        # what is never written to costs no memory: a grey golden image does not use all of this
        self.moved, self.normal, self.more, self.less = _planes_of(shape, 4)
        self.darkest, self.brightest, self.part = _planes_of(shape, 3)
        rows, columns = (-(-length // cell_px) * cell_px for length in shape)
        self.padded = np.zeros((rows, columns), np.uint8)
        self.heat = self.padded[: shape[0], : shape[1]]


class Workspace:
    """Planes that are written anew for each frame: fresh memory would cost more than the arithmetic.

    `luma` and `chroma` (in half the size) are where they are compared. `brighter` and `darker` are by how many levels a
    frame is beyond the edge jitter, `tinted` the same of either chroma, in half the size; they hold only around what
    is hot. `luma.heat` is in the end the heat of all. One comparison at a time may use it.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        height, width = self.shape = shape
        half = (height // 2, width // 2)
        self.luma, self.chroma = Sheet(shape, CELL_PX), Sheet(half, CELL_PX // 2)
        self.brighter, self.darker, self.grey = _planes_of(shape, 3)
        self.half_colour, self.half_ycc = (np.empty((*half, 3), np.uint8) for _ in range(2))
        self.half_planes = _planes_of(half, 3)
        self.tinted = np.zeros(half, np.uint8)

    @property
    def heat(self) -> Plane:
        """The heat of all planes, (h, w)."""
        return self.luma.heat


def luma(image: NDArray[np.uint8], out: Plane) -> Plane:
    """Return the luma of an image, (h, w) grey or (h, w, 3) BGR: the image itself, or written to `out`."""
    if image.ndim == 2:
        return image
    return cast("Plane", cv2.cvtColor(image, cv2.COLOR_BGR2GRAY, dst=out))


def halved(plane: Plane) -> Plane:
    """Return a plane in half its size; an odd last row or column is left out."""
    height, width = (length // 2 for length in plane.shape)
    if not height or not width:
        return np.empty((height, width), np.uint8)
    return cast("Plane", cv2.resize(plane[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA))


def half_planes(image: NDArray[np.uint8], scratch: Workspace) -> list[Plane]:
    """Return luma and both chromas of an image, (h, w) grey or (h, w, 3) BGR, in half its size, in `scratch`."""
    colour = image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    height, width = scratch.half_colour.shape[:2]
    if height and width:
        whole = colour[: 2 * height, : 2 * width]
        cv2.resize(whole, (width, height), dst=scratch.half_colour, interpolation=cv2.INTER_AREA)
        cv2.cvtColor(scratch.half_colour, cv2.COLOR_BGR2YCrCb, dst=scratch.half_ycc)
        cv2.split(scratch.half_ycc, scratch.half_planes)
    return scratch.half_planes


def add_doubled(half: Plane, area: tuple[int, int, int, int], out: Plane) -> None:
    """Raise `out` in `area` (top, bottom, left, right in px of it) to a plane of half its size, doubled."""
    top, bottom, left, right = (length // 2 for length in (area[0], area[1] + 1, area[2], area[3] + 1))
    doubled = half[top:bottom, left:right].repeat(2, axis=0).repeat(2, axis=1)
    there = out[2 * top : 2 * top + doubled.shape[0], 2 * left : 2 * left + doubled.shape[1]]
    np.maximum(there, doubled, out=there)


def has_no_colour(image: NDArray[np.uint8]) -> bool:
    """Tell whether blue, green and red of an image, (h, w, 3), are the same everywhere."""
    blue, green, red = cv2.split(image)
    return np.array_equal(blue, green) and np.array_equal(green, red)


def _planes_of(shape: tuple[int, int], count: int) -> list[Plane]:
    return [np.empty(shape, np.uint8) for _ in range(count)]
