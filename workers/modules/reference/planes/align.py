"""Where the content of a frame lies beside that of its golden image, block by block.

A board is rarely moved as a whole only: it is bent, turned a little, or put together of pieces. So first one shift is
found for the frame, then one for each block, by the method of B. D. Lucas and T. Kanade ("An iterative image
registration technique", 1981): what gradient and shift together explain the difference of the two images? All
gradients are the golden image's, so that they are known beforehand (S. Baker and I. Matthews, "Lucas-Kanade 20 years
on", 2004). It runs on a quarter of the size, where four pixels are one.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.modules.reference.planes.sheets import Plane, halved

BLOCK_PX = 128  # small against the warp of a board, large against a defect
_SCALE = 4
_BLOCK_ROUNDS = 2
_STILL = 1 / 16  # of a scaled pixel, a quarter of one of the frame: blocks that moved by less are where they belong
_BLUR_PX, _BLUR_SIGMA = 5, 1.0  # in scaled pixels; widens the reach of the gradient to some eight pixels of the frame
# How much structure pulls a block away from the shift of the whole frame by half: a share of the frame's mean squared
# gradient, for a few weak edges mislead, but never less than noise has, in (levels per scaled pixel)^2.
_RIDGE_SHARE = 0.05
_RIDGE_NOISE = 0.1

Shifts = NDArray[np.intp]  # (rows, columns, 2): dx, dy of each block in px, the frame's content minus the golden's
_Field = NDArray[np.float32]


class Alignment:
    """Finds the shifts of frames against one golden plane."""

    def __init__(self, shape: tuple[int, int], limit_px: int) -> None:
        """Frames are of `shape` (h, w); shifts stay within `limit_px` each way, and are not sought if that is 0."""
        height, width = shape
        self._grid = (max(1, round(height / BLOCK_PX)), max(1, round(width / BLOCK_PX)))
        self._limit = limit_px / _SCALE
        self.n_bytes = 5 * 4 * height * width // _SCALE**2
        self.seeks = limit_px > 0 and min(height, width) >= 2 * _SCALE

    def take(self, half: Plane) -> None:
        """Take the golden plane in half its size, (h, w) uint8; only where it `seeks`."""
        shrunk = _shrunk(half)
        self._golden = shrunk.astype(np.float32)
        y, x = np.mgrid[: self._golden.shape[0], : self._golden.shape[1]].astype(np.float32)
        self._x, self._y = x, y
        self._along_x = cast("_Field", cv2.Scharr(self._golden, cv2.CV_32F, 1, 0, scale=1 / 32))
        self._along_y = cast("_Field", cv2.Scharr(self._golden, cv2.CV_32F, 0, 1, scale=1 / 32))
        self._brightness = _mean_and_contrast(shrunk)
        self._whole = self._solver((1, 1))
        self._blocks = self._solver(self._grid)

    def unmoved(self) -> Shifts:
        """Return no shift for each block, (rows, columns, 2)."""
        return np.zeros((*self._grid, 2), np.intp)

    def shifts(self, half: Plane) -> Shifts:
        """Return the shift of each block of a frame, (rows, columns, 2) px; only where it `seeks`.

        `half` is the frame in half its size, (h, w) uint8.
        """
        small = self._normalised(_shrunk(half))
        shifts = np.tile(self._clipped(self._step(small, self._whole)), (*self._grid, 1))
        for _ in range(_BLOCK_ROUNDS):
            step = self._step(self._moved_back(small, shifts), self._blocks)
            shifts = self._clipped(shifts + step)
            if abs(step).max() < _STILL:
                break
        return np.rint(shifts * _SCALE).astype(np.intp)

    def _normalised(self, frame: Plane) -> _Field:
        """Return `frame` with the mean and the contrast of the golden plane, roughly as bright: enough to align."""
        (mean, contrast), (golden_mean, golden_contrast) = _mean_and_contrast(frame), self._brightness
        gain = golden_contrast / contrast
        levels = np.multiply(frame, np.float32(gain), dtype=np.float32)
        levels += np.float32(golden_mean - gain * mean)
        return levels

    def _solver(self, grid: tuple[int, int]) -> _Field:
        """Return the inverse of each cell's gradient matrix, (rows, columns, 2, 2)."""
        xx = _means(self._along_x, self._along_x, grid)
        xy = _means(self._along_x, self._along_y, grid)
        yy = _means(self._along_y, self._along_y, grid)
        ridge = max(_RIDGE_NOISE, _RIDGE_SHARE * float(xx.mean() + yy.mean()) / 2)
        matrices = np.stack((xx + ridge, xy, xy, yy + ridge), axis=2).reshape(*grid, 2, 2)
        return np.linalg.inv(matrices).astype(np.float32)

    def _step(self, frame: _Field, solver: _Field) -> _Field:
        """Return by how much the content of `frame` is still away, (rows, columns, 2), in scaled pixels."""
        difference = cast("_Field", cv2.subtract(self._golden, frame))
        grid = solver.shape[:2]
        pulls = np.empty((*grid, 2), np.float32)
        pulls[..., 0] = _means(self._along_x, difference, grid)
        pulls[..., 1] = _means(self._along_y, difference, grid)
        return cast("_Field", np.matvec(solver, pulls))

    def _moved_back(self, frame: _Field, shifts: _Field) -> _Field:
        """Return `frame` with the content of each block moved back by its shift."""
        size = self._x.shape[::-1]
        first = shifts[0, 0]
        if (shifts == first).all():
            back = np.array([[1, 0, first[0]], [0, 1, first[1]]])
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            return cast("_Field", cv2.warpAffine(frame, back, size, flags=flags, borderMode=cv2.BORDER_REPLICATE))
        dx, dy = (cv2.resize(shifts[..., axis], size, interpolation=cv2.INTER_NEAREST) for axis in (0, 1))
        x, y = cv2.add(self._x, dx), cv2.add(self._y, dy)
        return cast("_Field", cv2.remap(frame, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))

    def _clipped(self, shifts: _Field) -> _Field:
        return np.clip(shifts, -self._limit, self._limit)


def _mean_and_contrast(plane: Plane) -> tuple[float, float]:
    """Return mean and standard deviation, in levels; the second is 1 at least, to divide by."""
    mean, contrast = cv2.meanStdDev(plane)
    return float(mean[0][0]), max(1.0, float(contrast[0][0]))


def _means(one: _Field, other: _Field, grid: tuple[int, ...]) -> _Field:
    """Return the mean of a product in each cell of `grid`, (rows, columns)."""
    if grid == (1, 1):
        return np.full(grid, np.vdot(one, other) / one.size, np.float32)
    means = cv2.resize(cv2.multiply(one, other), grid[::-1], interpolation=cv2.INTER_AREA)
    return cast("_Field", means.reshape(grid))


def _shrunk(half: Plane) -> Plane:
    """Return a plane in half its size at a quarter, a little blurred; an odd row or column is cut off."""
    return cast("Plane", cv2.GaussianBlur(halved(half), (_BLUR_PX, _BLUR_PX), _BLUR_SIGMA))
