"""The box of a text cut out of an image, upright, as grey."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from workers.context.placement import corners_of
from workers.modules.region import RegionOutside

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.context.placement import Matrix
    from workers.modules.ocr.options import BoxOptions

_BESIDE_PX = 0.5  # by so much a corner of a turned box may lie outside


def cut(image: NDArray[np.uint8], box: BoxOptions | None) -> tuple[NDArray[np.uint8], Matrix]:
    """Return what `box` holds of `image`, (h, w) or (h, w, 3) BGR, upright as grey (h, w), and its matrix, (3, 3).

    The matrix takes pixels of the box to those of the image. Raises RegionOutside where the box is not in it.
    """
    height, width = image.shape[:2]
    if box is None:
        return _grey(image), np.eye(3)
    corners = corners_of(float(box.x), float(box.y), float(box.width), float(box.height), box.angle)
    (left, top), (right, lower) = corners.min(axis=0), corners.max(axis=0)
    if left < -_BESIDE_PX or top < -_BESIDE_PX or right > width + _BESIDE_PX or lower > height + _BESIDE_PX:
        msg = (
            f"the box reaches from x = {left:.0f}, y = {top:.0f} to x = {right:.0f}, y = {lower:.0f} px;"
            f" expected inside the image, {width} x {height} px"
        )
        raise RegionOutside(msg)
    if not box.angle:
        place: Matrix = np.array([[1, 0, box.x], [0, 1, box.y], [0, 0, 1]], np.float64)
        return _grey(image[box.y : box.y + box.height, box.x : box.x + box.width]), place
    across, down = max(0, math.floor(left) - 1), max(0, math.floor(top) - 1)
    grey = _grey(image[down : math.ceil(lower) + 1, across : math.ceil(right) + 1])
    edge = (corners[1] - corners[0]) / box.width
    matrix = np.array([[edge[0], -edge[1], corners[0][0]], [edge[1], edge[0], corners[0][1]], [0, 0, 1]], np.float64)
    centred = matrix[:2].copy()  # OpenCV counts from centres of pixels
    centred[:, 2] += matrix[:2, :2] @ (0.5, 0.5) - 0.5 - (across, down)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    upright = cv2.warpAffine(grey, centred, (box.width, box.height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(upright, np.uint8), matrix


def _grey(window: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return `window`, (h, w) or (h, w, 3) BGR, as grey, (h, w), without gaps between its rows."""
    grey = window if window.ndim == 2 else cv2.cvtColor(window, cv2.COLOR_BGR2GRAY)
    return np.ascontiguousarray(grey, np.uint8)
