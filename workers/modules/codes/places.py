"""Where codes may be: pieces of the picture with many edges, and for bars also how they are turned.

    grey --half--> gradients --squares, cells of 8 px--> energy, direction --threshold, opening--> pieces

Bars have edges of one direction: cells whose gradients agree make the pieces for 1D codes, and their common direction
is that across the bars, to some tenths of a degree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Matrix = NDArray[np.float64]
_Plane = NDArray[np.float32]
_Inside = tuple[NDArray[np.intp], NDArray[np.intp]]  # rows and columns of cells

CELL_PX = 8
_HALF = 2
_MOST = 24  # pieces of each kind; what has more is texture
_LEAST_ENERGY = 8.0  # mean square of a gradient, in levels of 255 a pixel
_OVER_MEDIAN = 2.5
_COHERENT = 0.55
_QUIET_PX = 3 * CELL_PX
_BESIDE_DEGREES, _NEAR_DEGREES = 15.0, 2.0
_HALF_DEGREES = np.arange(-_BESIDE_DEGREES, _BESIDE_DEGREES + 0.1, 0.5)


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the picture: its middle, `x` and `y` in px, its `width` along `turn_rad`, and its `height`.

    `turn_rad` is clockwise; for bars it is the direction across them.
    """

    x: float
    y: float
    width: float
    height: float
    turn_rad: float = 0.0

    @property
    def matrix(self) -> Matrix:
        """What takes pixels of it, cut out upright, to those of the picture, (3, 3)."""
        cos, sin = math.cos(self.turn_rad), math.sin(self.turn_rad)
        left = self.x - cos * self.width / 2 + sin * self.height / 2
        top = self.y - sin * self.width / 2 - cos * self.height / 2
        return np.array([[cos, -sin, left], [sin, cos, top], [0, 0, 1]])

    def turned(self, degrees: float) -> Piece:
        """Return what holds all of it, turned by `degrees` clockwise."""
        turn = math.radians(degrees)
        cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
        width, height = self.width * cos + self.height * sin, self.width * sin + self.height * cos
        return Piece(self.x, self.y, width, height, self.turn_rad + turn)

    def aligned(self, grey: Grey) -> Piece:
        """Return it along the direction that most of its edges in `grey`, (h, w), have, near its own.

        Rows of bars that are shifted against each other have slanting edges where they meet: the mean is beside.
        """
        cut, _ = self.cut(grey)
        across, down = (np.asarray(cv2.Scharr(cut, cv2.CV_32F, *order)) for order in ((1, 0), (0, 1)))
        energy = across * across + down * down
        # strong ones, near enough to the direction across
        edges = (energy > energy.mean()) & (np.abs(down) < np.abs(across) * math.tan(math.radians(_BESIDE_DEGREES)))
        if not edges.any():
            return self
        degrees, weights = np.degrees(np.arctan(down[edges] / across[edges])), energy[edges]
        counted, starts = np.histogram(degrees, _HALF_DEGREES, weights=weights)
        peak = float(starts[np.convolve(counted, np.ones(5), "same").argmax()]) + 0.25
        near = np.abs(degrees - peak) < _NEAR_DEGREES
        turn = float(np.average(degrees[near], weights=weights[near])) if near.any() else peak
        return Piece(self.x, self.y, self.width, self.height, self.turn_rad + math.radians(turn))

    def cut(self, grey: Grey) -> tuple[Grey, Matrix]:
        """Return it cut out of `grey`, (h, w), upright, (height, width), and its matrix, (3, 3)."""
        matrix = self.matrix
        centred = matrix[:2].copy()  # OpenCV counts from centres of pixels
        centred[:, 2] += matrix[:2, :2] @ (0.5, 0.5) - 0.5
        size = (max(1, round(self.width)), max(1, round(self.height)))
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cut = cv2.warpAffine(grey, centred, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(cut, np.uint8), matrix


@dataclass(frozen=True, slots=True)
class Places:
    """What was found in one picture, the piece with most edges first.

    `bars` lie along their direction, and so do `stacked`, pieces of any pattern; `upright` are boxes around the same.
    """

    bars: tuple[Piece, ...]
    stacked: tuple[Piece, ...]
    upright: tuple[Piece, ...]


def find_places(grey: Grey) -> Places:
    """Return where codes may be in `grey`, (h, w)."""
    if min(grey.shape) < 4 * CELL_PX:
        return Places((), (), ())
    tensor = _cells(grey)
    threshold = max(_LEAST_ENERGY, _OVER_MEDIAN * float(np.median(tensor.energy)))
    many = tensor.energy > threshold
    bars = [_turned(tensor, inside, _QUIET_PX) for inside in _pieces(many & tensor.agreeing(), tensor.energy)]
    stacked, upright = [], []
    for inside in _pieces(many, tensor.energy):
        stacked.append(_turned(tensor, inside, CELL_PX))
        upright.append(_upright(inside))
    # a border of one box or the next is long, and narrow across
    wide = [bar for bar in bars if bar.width >= 2 * _QUIET_PX + 3 * CELL_PX]
    return Places(tuple(wide), tuple(stacked), tuple(upright))


@dataclass(frozen=True, slots=True)
class _Tensor:
    """The mean products of gradients in cells, (h, w) of cells each."""

    xx: _Plane
    yy: _Plane
    xy: _Plane

    @property
    def energy(self) -> _Plane:
        """The mean square of the gradient, (h, w) of cells."""
        return self.xx + self.yy

    def agreeing(self) -> NDArray[np.bool_]:
        """Tell of each cell, (h, w), whether gradients have one direction; one edge alone has: its neighbours count."""
        difference, mixed, energy = (
            np.asarray(cv2.blur(each, (3, 3), borderType=cv2.BORDER_REPLICATE))
            for each in (self.xx - self.yy, self.xy, self.energy)
        )
        return np.asarray(np.hypot(difference, 2 * mixed) > _COHERENT * energy)

    def turn_rad(self, inside: _Inside) -> float:
        """Return the direction of the gradient in the cells `inside`."""
        y, x = inside
        return math.atan2(2 * float(self.xy[y, x].sum()), float((self.xx - self.yy)[y, x].sum())) / 2


def _cells(grey: Grey) -> _Tensor:
    """Return the mean products of gradients in cells of `grey`, (h, w)."""
    height, width = (side // CELL_PX for side in grey.shape)
    within = grey[: height * CELL_PX, : width * CELL_PX]
    half = cv2.resize(within, None, fx=1 / _HALF, fy=1 / _HALF, interpolation=cv2.INTER_AREA)
    # Scharr's filter has the direction to a tenth of a degree
    across = cv2.Scharr(half, cv2.CV_32F, 1, 0, scale=1 / 32)
    down = cv2.Scharr(half, cv2.CV_32F, 0, 1, scale=1 / 32)
    xx, yy, xy = (
        np.asarray(cv2.resize(one * other, (width, height), interpolation=cv2.INTER_AREA), np.float32)
        for one, other in ((across, across), (down, down), (across, down))
    )
    return _Tensor(xx, yy, xy)


def _turned(tensor: _Tensor, inside: _Inside, quiet_px: float) -> Piece:
    """Return the box around the cells `inside` along their direction, with what must be quiet beside it."""
    turn = tensor.turn_rad(inside)
    y, x = inside
    cos, sin = math.cos(turn), math.sin(turn)
    along = np.stack([x * cos + y * sin, y * cos - x * sin])
    (left, top), (right, lower) = along.min(axis=1), along.max(axis=1)
    width, height = (right - left + 1) * CELL_PX, (lower - top + 1) * CELL_PX
    across, down = (left + right) / 2, (top + lower) / 2
    return Piece(
        (across * cos - down * sin + 0.5) * CELL_PX,
        (across * sin + down * cos + 0.5) * CELL_PX,
        width + 2 * (quiet_px + 0.06 * width),
        height + CELL_PX,
        turn,
    )


def _upright(inside: _Inside) -> Piece:
    y, x = inside
    width, height = (int(np.ptp(each)) + 1 for each in (x, y))
    quiet = 2 * _QUIET_PX
    middle = (float(each.min()) + side / 2 for each, side in ((x, width), (y, height)))
    at_x, at_y = (place * CELL_PX for place in middle)
    return Piece(at_x, at_y, width * CELL_PX + quiet, height * CELL_PX + quiet)


def _pieces(cells: NDArray[np.bool_], energy: _Plane) -> list[_Inside]:
    """Return the cells of each piece of `cells`, (h, w), the one with most edges first."""
    square = np.ones((3, 3), np.uint8)
    mask = cv2.morphologyEx(cells.astype(np.uint8), cv2.MORPH_CLOSE, square)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, square)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    sums = np.bincount(labels.ravel(), energy.ravel().astype(np.float64), count)
    order = [number for number in np.argsort(-sums).tolist() if number][:_MOST]
    found = []
    for number in order:
        x, y, width, height = stats[number, :4].tolist()
        rows, columns = np.nonzero(labels[y : y + height, x : x + width] == number)
        found.append((rows + y, columns + x))
    return found
