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

Plane = NDArray[np.uint8]  # (h, w)


class Sheet:
    """What one plane of a frame needs beside itself, each (h, w) uint8.

    `moved` is for the golden plane where the frame has it, `normal` for the frame as bright as that; the others are
    scratch.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        # what is never written to costs no memory: a grey golden image does not use all of this
        self.moved, self.normal, self.darkest, self.brightest, self.part, self.beyond = _planes_of(shape, 6)


class Marks:
    """A `plane` of `shape` (h, w) to mark pixels in; it lies in `padded`, whose sides are full of cells."""

    def __init__(self, shape: tuple[int, int], cell_px: int) -> None:
        rows, columns = (-(-length // cell_px) * cell_px for length in shape)
        self.padded = np.zeros((rows, columns), np.uint8)
        self.plane = self.padded[: shape[0], : shape[1]]


class HalfPlanes:
    """Makes luma and both chromas of images of `shape` (h, w) in half the size, in memory of its own."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._height, self._width = (length // 2 for length in shape)
        half = (self._height, self._width)
        self._colour, self._ycc = (np.empty((*half, 3), np.uint8) for _ in range(2))
        self._planes = _planes_of(half, 3)

    def of(self, image: NDArray[np.uint8]) -> list[Plane]:
        """Return the planes of an image, (h, w) grey or (h, w, 3) BGR; an odd last row or column is left out."""
        colour = image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
        whole = colour[: 2 * self._height, : 2 * self._width]
        cv2.resize(whole, (self._width, self._height), dst=self._colour, interpolation=cv2.INTER_AREA)
        cv2.cvtColor(self._colour, cv2.COLOR_BGR2YCrCb, dst=self._ycc)
        cv2.split(self._ycc, self._planes)
        return self._planes


class Workspace:
    """Planes that are written anew for each frame: fresh memory would cost more than the arithmetic.

    `different` is where luma differs, `differently_tinted` where either chroma does, in half the size; `tinted` is by
    how much it does. One comparison at a time may use it.
    """

    def __init__(self, shape: tuple[int, int], cell_px: int) -> None:
        self.shape = shape
        half = (shape[0] // 2, shape[1] // 2)
        self.luma, self.chromas = Sheet(shape), (Sheet(half), Sheet(half))
        self.grey = np.empty(shape, np.uint8)
        self.halves = HalfPlanes(shape)
        self.tinted = np.zeros(half, np.uint8)
        self.different, self.differently_tinted = Marks(shape, cell_px), Marks(half, cell_px)


def luma(image: NDArray[np.uint8], out: Plane) -> Plane:
    """Return the luma of an image, (h, w) grey or (h, w, 3) BGR: the image itself, or written to `out`."""
    if image.ndim == 2:
        return image
    return cast("Plane", cv2.cvtColor(image, cv2.COLOR_BGR2GRAY, dst=out))


def halved(plane: Plane) -> Plane:
    """Return a plane, (h, w) uint8, in half its size; an odd last row or column is left out."""
    height, width = (length // 2 for length in plane.shape)
    return cast("Plane", cv2.resize(plane[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA))


def has_no_colour(image: NDArray[np.uint8]) -> bool:
    """Tell whether blue, green and red of an image, (h, w, 3) BGR, are the same everywhere."""
    blue, green, red = cv2.split(image)
    return np.array_equal(blue, green) and np.array_equal(green, red)


def _planes_of(shape: tuple[int, int], count: int) -> list[Plane]:
    return [np.empty(shape, np.uint8) for _ in range(count)]
