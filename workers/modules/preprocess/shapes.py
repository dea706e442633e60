"""Steps that move pixels. Each takes (h, w) or (h, w, 3) BGR uint8; returns that, and its placement on what it took."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from workers.context.placement import for_warp
from workers.errors import ImageInvalid
from workers.modules.preprocess.levels import as_pixels
from workers.modules.preprocess.options import Crop, Flip, Perspective, Resize, Rotate, Undistort

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.context.placement import Matrix

    Moved = tuple[NDArray[np.uint8], Matrix]

_QUARTERS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def _crop(image: NDArray[np.uint8], step: Crop) -> Moved:
    height, width = image.shape[:2]
    if step.x >= width or step.y >= height:
        msg = f"the crop at {step.x}, {step.y} lies outside of the image of {width} x {height} px"
        raise ImageInvalid(msg)
    part = image[step.y : step.y + step.height, step.x : step.x + step.width]
    return part, np.array([[1.0, 0, step.x], [0, 1, step.y], [0, 0, 1]])


def _resize(image: NDArray[np.uint8], step: Resize) -> Moved:
    height, width = image.shape[:2]
    size = (step.width or 1, step.height or 1)
    if step.factor is not None:
        size = (max(1, round(width * step.factor)), max(1, round(height * step.factor)))
    smaller = size[0] * size[1] < width * height
    scaled = cv2.resize(image, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    return as_pixels(scaled), np.diag([width / size[0], height / size[1], 1.0])


def _rotate(image: NDArray[np.uint8], step: Rotate) -> Moved:
    degrees = step.degrees % 360
    height, width = image.shape[:2]
    turn = math.radians(degrees)
    cos, sin = math.cos(turn), math.sin(turn)
    if degrees in _QUARTERS:
        turned = as_pixels(cv2.rotate(image, _QUARTERS[int(degrees)]))
    elif degrees == 0:
        turned = image
    else:
        new = (math.ceil(abs(width * cos) + abs(height * sin)), math.ceil(abs(width * sin) + abs(height * cos)))
        turned = _warped(image, _about_centres((width, height), new, cos, sin), new)
    size = turned.shape[1], turned.shape[0]
    return turned, _about_centres((width, height), size, round(cos, 15), round(sin, 15))


def _about_centres(old: tuple[int, int], new: tuple[int, int], cos: float, sin: float) -> Matrix:
    """Turned clockwise: where a point of the new image, (w, h) px, lies in the old one."""
    to_middle = np.array([[1, 0, -new[0] / 2], [0, 1, -new[1] / 2], [0, 0, 1]])
    back = np.array([[cos, sin, old[0] / 2], [-sin, cos, old[1] / 2], [0, 0, 1]])
    placed: Matrix = back @ to_middle
    return placed


def _flip(image: NDArray[np.uint8], step: Flip) -> Moved:
    height, width = image.shape[:2]
    across, over = step.along in {"horizontal", "both"}, step.along in {"vertical", "both"}
    flipped = image[:: -1 if over else 1, :: -1 if across else 1]
    matrix = np.array(
        [[-1.0 if across else 1, 0, width if across else 0], [0, -1.0 if over else 1, height if over else 0], [0, 0, 1]]
    )
    return flipped, matrix


def _perspective(image: NDArray[np.uint8], step: Perspective) -> Moved:
    upright = [(0, 0), (step.width, 0), (step.width, step.height), (0, step.height)]
    found = cv2.getPerspectiveTransform(np.array(upright, np.float32), np.array(step.corners, np.float32))
    matrix = np.asarray(found, np.float64)
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-12:
        msg = f"the corners {list(step.corners)} of the perspective are none of a part that can be looked at"
        raise ImageInvalid(msg)
    return _warped(image, matrix, (step.width, step.height)), matrix


def _undistort(image: NDArray[np.uint8], step: Undistort) -> Moved:
    assert step.focal_px is not None  # of a calibration they are put in its place (module.py)
    assert step.centre_px is not None
    assert step.k is not None
    camera = np.array(
        [[step.focal_px[0], 0, step.centre_px[0]], [0, step.focal_px[1], step.centre_px[1]], [0, 0, 1]], np.float64
    )
    # what is found afterwards lies where it lies on the picture without distortion: no matrix takes that back
    return as_pixels(cv2.undistort(image, camera, np.array(step.k, np.float64))), np.eye(3)


def _warped(image: NDArray[np.uint8], matrix: Matrix, size: tuple[int, int]) -> NDArray[np.uint8]:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return as_pixels(cv2.warpPerspective(image, for_warp(matrix), size, flags=flags))


SHAPES: Mapping[type, Callable[[NDArray[np.uint8], Any], Moved]] = {
    Crop: _crop,
    Resize: _resize,
    Rotate: _rotate,
    Flip: _flip,
    Perspective: _perspective,
    Undistort: _undistort,
}
