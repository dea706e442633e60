"""The planes of an image that are compared, and the memory that a comparison writes to.

Luma is looked at in every pixel. Both chromas are looked at in half the size: neither Bayer sensors nor JPEG have more
of them, and a quarter of the pixels is a quarter of the time. Not blue, green and red, where what JPEG does to the
chromas would show almost twice as strong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from workers.modules.reference.patches import Patches

CELL_PX = 4

Plane = NDArray[np.uint8]  # (h, w)


class Sheet:
    """What one plane of a frame needs beside itself, each (h, w) uint8.

    `moved` is for the golden plane where the frame has it, `normal` for the frame as bright as that; the others are
    scratch.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        # what is never written to costs no memory: a grey golden image does not use all of this
        self.moved, self.normal, self.darkest, self.brightest, self.part, self.beyond = _planes_of(shape, 6)


class Workspace:
    """Planes that are written anew for each frame: fresh memory would cost more than the arithmetic.

    `heat` is 0..255, `brighter` and `darker` are by how many levels a frame is beyond the edge jitter, `tinted` the
    same of either chroma, in half the size. `hinted` is the heat with half the jitter. All but `tinted` hold only where
    `patches` were cut, everywhere if that is None; elsewhere heat is 0. One comparison at a time may use it.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        height, width = self.shape = shape
        half = (height // 2, width // 2)
        self.luma, self.chromas = Sheet(shape), (Sheet(half), Sheet(half))
        self.brighter, self.darker, self.grey = _planes_of(shape, 3)
        self.half_colour, self.half_ycc = (np.empty((*half, 3), np.uint8) for _ in range(2))
        self.half_planes = _planes_of(half, 3)
        self.tinted = np.zeros(half, np.uint8)
        # their sides are full of cells
        rows, columns = (-(-length // CELL_PX) * CELL_PX for length in shape)
        self.padded_heat, self.padded_hints, self.padded_different = np.zeros((3, rows, columns), np.uint8)
        self.heat, self.hinted, self.different = (
            padded[:height, :width] for padded in (self.padded_heat, self.padded_hints, self.padded_different)
        )
        self.patches: Patches | None = None


def luma(image: NDArray[np.uint8], out: Plane) -> Plane:
    """Return the luma of an image, (h, w) grey or (h, w, 3) BGR: the image itself, or written to `out`."""
    if image.ndim == 2:
        return image
    return cast("Plane", cv2.cvtColor(image, cv2.COLOR_BGR2GRAY, dst=out))


def halved(plane: Plane) -> Plane:
    """Return a plane in half its size; an odd last row or column is left out."""
    height, width = (length // 2 for length in plane.shape)
    return cast("Plane", cv2.resize(plane[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA))


def half_planes(image: NDArray[np.uint8], scratch: Workspace) -> list[Plane]:
    """Return luma and both chromas of an image, (h, w) grey or (h, w, 3) BGR, in half its size, in `scratch`."""
    colour = image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    height, width = scratch.half_colour.shape[:2]
    whole = colour[: 2 * height, : 2 * width]
    cv2.resize(whole, (width, height), dst=scratch.half_colour, interpolation=cv2.INTER_AREA)
    cv2.cvtColor(scratch.half_colour, cv2.COLOR_BGR2YCrCb, dst=scratch.half_ycc)
    cv2.split(scratch.half_ycc, scratch.half_planes)
    return scratch.half_planes


def add_doubled(half: Plane, out: Plane) -> None:
    """Raise `out` to a plane of half its size, doubled."""
    height, width = half.shape
    there = out[: 2 * height, : 2 * width]
    cv2.max(there, cv2.resize(half, (2 * width, 2 * height), interpolation=cv2.INTER_NEAREST), dst=there)


def has_no_colour(image: NDArray[np.uint8]) -> bool:
    """Tell whether blue, green and red of an image, (h, w, 3), are the same everywhere."""
    blue, green, red = cv2.split(image)
    return np.array_equal(blue, green) and np.array_equal(green, red)


def _planes_of(shape: tuple[int, int], count: int) -> list[Plane]:
    return [np.empty(shape, np.uint8) for _ in range(count)]
