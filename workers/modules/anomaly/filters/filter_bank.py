"""A bank of filters: what each place of a picture looks like, in numbers that light and contrast change little.

Places are cells of 4 x 4 px. Of each there are: differences of Gaussians at seven scales (mean, brightest, darkest, and
how strong they are around), lines at eight angles on three scales, the slow brightness, and how far the edge of the
picture is. A colour picture has the same of its luminance, and less of two colour differences. Everything is taken from
the logarithm of the levels, so that light is a sum; then each number but the last two is told in spreads of this
picture from its middle in this picture: a surface that is brighter or rougher all over is no other surface.
"""

from __future__ import annotations

from math import cos, pi, sin
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from workers.context.run import LookAtTime

Plane = NDArray[np.float32]

CELL_PX = 4
AT_MOST_PX = 400_000  # a larger picture is looked at smaller: this many take some 50 ms
_DARK_LEVELS = 16  # are added before the logarithm, which would make much of the noise in the dark
_LOGARITHM = (np.log(np.arange(256) + _DARK_LEVELS) * 100).astype(np.float32)  # 1 is one percent of brightness
_OCTAVES = 3  # full, half and quarter size
_BANDS = 2 * _OCTAVES + 1
_SIGMAS = (1.0, 1.25, 1.9)  # one after the other within an octave, in its pixels
_SLOW_SIGMAS = (1.5, 3.0, 6.0)  # in pixels of an eighth of the size
_ANGLES = 8
_LINE_REACH = 5  # a line is 11 px long; OpenCV takes kernels from 12 px on by way of a Fourier transform, slower
_AROUND_CELLS = 15
_LEAST_STRENGTH = 0.5  # squared percent: noise that nobody sees
_EDGE_CELLS = 6.0
_JUDGED_PLACES = 1500  # enough for the middle and the spread of a picture
_UNSCALED = 2  # numbers at the end: the distances to the edges
_LEAST_SPREAD = 1e-3

_NUMBERS_GREY = _BANDS * 3 + _BANDS * 2 + len(_SLOW_SIGMAS) + 1 + 2 * _ANGLES * _OCTAVES + _UNSCALED
_NUMBERS_COLOUR = _NUMBERS_GREY + 2 * (2 * 4 + 1)


def numbers_of(*, colour: bool) -> int:
    """Return how many numbers a place has."""
    return _NUMBERS_COLOUR if colour else _NUMBERS_GREY


def shrunk(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture, (h, w) or (h, w, 3) BGR uint8, as it is looked at: with at most AT_MOST_PX pixels."""
    height, width = image.shape[:2]
    if height * width <= AT_MOST_PX:
        return image
    scale = (AT_MOST_PX / (height * width)) ** 0.5
    size = max(1, int(width * scale)), max(1, int(height * scale))
    return cast("NDArray[np.uint8]", cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def as_wanted(image: NDArray[np.uint8], *, colour: bool) -> NDArray[np.uint8]:
    """Return a picture as grey (h, w), or as BGR (h, w, 3), whichever of both it is."""
    if (image.ndim == 3) == colour:
        return image
    how = cv2.COLOR_GRAY2BGR if colour else cv2.COLOR_BGR2GRAY
    return cast("NDArray[np.uint8]", cv2.cvtColor(image, how))


def raw_numbers(image: NDArray[np.uint8], look_at_time: LookAtTime) -> Plane:
    """Return the numbers of a shrunk picture, (n, rows, columns) float32: not yet told in its own spreads."""
    height, width = image.shape[:2]
    grid = _Grid(-(-height // CELL_PX), -(-width // CELL_PX))
    grey = image if image.ndim == 2 else cast("NDArray[np.uint8]", cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    found = _of_luminance(cast("Plane", cv2.LUT(grey, _LOGARITHM)), grid, look_at_time)
    if image.ndim == 3:
        found += _of_colour(image, grid)
        look_at_time()
    found += grid.to_edges()
    return np.stack(found)


def middle_and_spread(numbers: Plane) -> tuple[Plane, Plane]:
    """Return the median and the median distance to it of each number in a picture, (n, 1) float32; edges without."""
    flat = numbers.reshape(len(numbers), -1)
    chosen = np.ascontiguousarray(flat[:-_UNSCALED, :: max(1, flat.shape[1] // _JUDGED_PLACES)])
    middle = _median(chosen)
    return middle, _median(np.abs(chosen - middle))


def scaled(numbers: Plane, usual_spread: Plane) -> Plane:
    """Return the numbers of a picture, (n, rows, columns), as (n, places) in its own spreads from its own middle.

    `usual_spread`, (n - 2, 1), is that of good pictures: half of it is added, for a picture may be nearly even.
    """
    middle, spread = middle_and_spread(numbers)
    flat = numbers.reshape(len(numbers), -1)
    inner = flat[:-_UNSCALED]
    inner -= middle
    inner /= spread + usual_spread / 2 + np.float32(_LEAST_SPREAD)
    return flat


class _Grid:
    """The cells of a picture, and how planes of any size are brought to them."""

    def __init__(self, rows: int, columns: int) -> None:
        self.shape = rows, columns
        self._size = columns, rows

    def mean(self, plane: Plane) -> Plane:
        """Return the mean of each cell."""
        finer = plane.shape[0] >= self.shape[0] and plane.shape[1] >= self.shape[1]
        return cast("Plane", cv2.resize(plane, self._size, interpolation=cv2.INTER_AREA if finer else cv2.INTER_LINEAR))

    def extremes(self, plane: Plane, cell: int) -> list[Plane]:
        """Return the brightest and the darkest of each cell of `cell` px and one px around it."""
        window, anchor = np.ones((max(3, cell + 2),) * 2, np.uint8), (1, 1)
        both = cv2.dilate(plane, window, anchor=anchor), cv2.erode(plane, window, anchor=anchor)
        return [cast("Plane", cv2.resize(each, self._size, interpolation=cv2.INTER_NEAREST)) for each in both]

    def strength(self, plane: Plane, reach: int) -> Plane:
        """Return the logarithm of the mean square around each cell."""
        around = cv2.blur(cv2.multiply(plane, plane), (reach, reach))
        strength: Plane = np.log(self.mean(cast("Plane", around)) + np.float32(_LEAST_STRENGTH))
        return strength

    def to_edges(self) -> list[Plane]:
        """Return how far each cell is from the left or right edge and from the upper or lower, in cells."""
        rows, columns = self.shape
        down, right = (np.arange(each, dtype=np.float32) for each in (rows, columns))
        down, right = np.minimum(down, down[::-1]), np.minimum(right, right[::-1])
        both = np.broadcast_to(right[None, :], self.shape), np.broadcast_to(down[:, None], self.shape)
        return [np.minimum(each, np.float32(_EDGE_CELLS)) for each in both]


def _of_luminance(plane: Plane, grid: _Grid, look_at_time: LookAtTime) -> list[Plane]:
    found: list[Plane] = []
    strengths: list[Plane] = []
    for octave in range(_OCTAVES):
        shrink = 1 << octave
        one = _blurred(plane, _SIGMAS[0])
        two = _blurred(one, _SIGMAS[1])
        bands = [cv2.subtract(plane, one), cv2.subtract(one, two)]
        if octave == _OCTAVES - 1:
            bands.append(cv2.subtract(two, _blurred(two, _SIGMAS[2])))
        for band in cast("list[Plane]", bands):
            found += [grid.mean(band), *grid.extremes(band, CELL_PX // shrink)]
            strengths.append(grid.strength(band, max(3, 2 * CELL_PX // shrink)))
            look_at_time()
        both = cast("Plane", cv2.add(bands[-2], bands[-1]))
        for kernel in _LINES:
            lines = cv2.filter2D(both, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
            found += grid.extremes(cast("Plane", lines), CELL_PX // shrink)
        look_at_time()
        plane = _halved(two)
    found += [grid.mean(cast("Plane", cv2.subtract(plane, _blurred(plane, sigma)))) for sigma in _SLOW_SIGMAS]
    found.append(grid.mean(plane))
    for strength in strengths:
        around = cast("Plane", cv2.blur(strength, (_AROUND_CELLS, _AROUND_CELLS)))
        found += [strength, strength - around]
    look_at_time()
    return found


def _of_colour(image: NDArray[np.uint8], grid: _Grid) -> list[Plane]:
    """Return the numbers of blue against green and of red against green, at half the size."""
    height, width = image.shape[:2]
    half = cv2.resize(image, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA)
    blue, green, red = (cast("Plane", cv2.LUT(each, _LOGARITHM)) for each in cv2.split(half))
    found: list[Plane] = []
    for plane in (cv2.subtract(blue, green), cv2.subtract(red, green)):
        one = _blurred(cast("Plane", plane), 2.0)
        for band in (cv2.subtract(plane, one), cv2.subtract(one, _blurred(one, 6.0))):
            found += [grid.mean(cast("Plane", band)), *grid.extremes(cast("Plane", band), CELL_PX // 2)]
            found.append(grid.strength(cast("Plane", band), CELL_PX))
        found.append(grid.mean(one))
    return found


def _line_kernels() -> list[Plane]:
    """Return means along lines at all angles: few pixels of each kernel are not 0, and OpenCV looks at those alone."""
    size = 2 * _LINE_REACH + 1
    kernels = []
    for angle in np.arange(_ANGLES) * (pi / _ANGLES):
        drawn = np.zeros((size, size), np.uint8)
        reach = (_LINE_REACH - 0.1) * 16
        middle, right, down = _LINE_REACH * 16, reach * cos(angle), reach * sin(angle)
        begin, end = ((round(middle + s * right), round(middle + s * down)) for s in (-1, 1))
        cv2.line(drawn, begin, end, 255, 1, cv2.LINE_AA, 4)
        kernel = np.where(drawn >= 48, drawn, 0).astype(np.float32)
        kernels.append(kernel / kernel.sum())
    return kernels


_LINES = _line_kernels()


def _blurred(plane: Plane, sigma: float) -> Plane:
    return cast("Plane", cv2.GaussianBlur(plane, (0, 0), sigma))


def _halved(plane: Plane) -> Plane:
    size = (plane.shape[1] + 1) // 2, (plane.shape[0] + 1) // 2
    return cast("Plane", cv2.resize(plane, size, interpolation=cv2.INTER_AREA))


def _median(rows: Plane) -> Plane:
    """Return the upper median of each row, (n, 1)."""
    at = rows.shape[1] // 2
    return np.partition(rows, at, axis=1)[:, at : at + 1]
