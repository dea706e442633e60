"""A region of the image, cut out: a window of rows and columns, and which pixels of the window are inside.

What it is for a size of the image is worked out once. Corners lie between pixels, and a pixel is inside where its
centre is, so a polygon with the corners of a rectangle has the rectangle's pixels. A polygon that crosses itself has no
pixel where it overlaps itself an even number of times.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.errors import ImageInvalid

if TYPE_CHECKING:
    from workers.modules.region_options import RegionOptions

_KEPT_SIZES = 4  # one camera has one size; a flow whose code crops may have some


class RegionOutside(ImageInvalid):
    """The region does not lie in this image: nobody can tell what it shows there, so the frame is NOK."""


@dataclass(frozen=True, slots=True)
class Area:
    """A region in an image of one size: `window` are its rows and columns, from `x` and `y`, in px.

    `mask` is (height, width) uint8 of the window, 255 inside; None where all of the window is. `rim` are the flat
    positions in the window of pixels inside that lie at the border.
    """

    x: int
    y: int
    width: int
    height: int
    area_px: int
    mask: NDArray[np.uint8] | None
    rim: NDArray[np.intp]

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the window."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)


class Region:
    """A region of images of any size; without options it is the whole image."""

    def __init__(self, options: RegionOptions | None) -> None:
        self._options = options
        self._areas: OrderedDict[tuple[int, int], Area] = OrderedDict()

    def area(self, image: NDArray[np.uint8]) -> Area:
        """Return the region in `image`, (h, w) grey or (h, w, 3) BGR; raises RegionOutside where it is not in it."""
        size = (image.shape[0], image.shape[1])
        area = self._areas.get(size)
        if area is None:
            area = self._areas[size] = _area(self._options, *size)
            if len(self._areas) > _KEPT_SIZES:
                self._areas.popitem(last=False)
        return area


def _area(options: RegionOptions | None, height: int, width: int) -> Area:
    """Return the area that `options` mean in an image of `height` by `width` px; raises RegionOutside."""
    if options is None:
        return _rectangle(0, 0, width, height)
    if options.polygon is not None:
        _check(max(x for x, _ in options.polygon), max(y for _, y in options.polygon), height, width)
        return _polygon(options.polygon)
    x, y, own_width, own_height = options.rectangle
    _check(x + own_width, y + own_height, height, width)
    return _rectangle(x, y, own_width, own_height)


def _check(right: float, bottom: float, height: int, width: int) -> None:
    if right > width or bottom > height:
        msg = (
            f"the region reaches to x = {right:g}, y = {bottom:g} px; expected inside the image, {width} x {height} px"
        )
        raise RegionOutside(msg)


def _rectangle(x: int, y: int, width: int, height: int) -> Area:
    rim = np.zeros((height, width), bool)
    rim[[0, -1]] = True
    rim[:, [0, -1]] = True
    return Area(x, y, width, height, width * height, None, np.flatnonzero(rim))


def _polygon(corners: list[list[float]]) -> Area:
    """Return the area of the pixels whose centres lie in the polygon; `corners` are [x, y] in px."""
    left, top = (math.floor(min(values)) for values in zip(*corners, strict=True))
    right, bottom = (math.ceil(max(values)) for values in zip(*corners, strict=True))
    mask = inside([(x - left, y - top) for x, y in corners], bottom - top, right - left)
    area_px = cv2.countNonZero(mask)
    if not area_px:
        msg = "the polygon of the region holds the centre of no pixel: expected a larger one"
        raise RegionOutside(msg)
    if area_px == mask.size:
        return _rectangle(left, top, right - left, bottom - top)
    inner = cv2.erode(mask, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return Area(left, top, right - left, bottom - top, area_px, mask, np.flatnonzero(mask != inner))


def inside(corners: Sequence[tuple[float, float]], height: int, width: int) -> NDArray[np.uint8]:
    """Return (height, width) uint8, 255 where a pixel's centre is inside: each edge turns all to its right over."""
    turned = np.zeros((height, width + 1), bool)
    for (x0, y0), (x1, y1) in pairwise([*corners, corners[0]]):
        rows = np.arange(max(0, math.ceil(min(y0, y1) - 0.5)), min(height, math.ceil(max(y0, y1) - 0.5)))
        if rows.size:  # else it is level, or passes between two rows
            crossing = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
            first = np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.intp)
            turned[rows, first] ^= True
    found = np.logical_xor.accumulate(turned, axis=1)[:, :width]
    return np.ascontiguousarray(found).astype(np.uint8) * np.uint8(255)
