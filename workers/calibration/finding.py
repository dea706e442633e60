"""A target in a picture: where its corners or centres are, to a small part of a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from workers.calibration.target import Target

_LEAST_PITCH_PX = 8.0
_REACH_PX = 12  # around a corner: more sees more of noise away, and of bent lines
_UNTIL = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 60, 1e-4)
_THOROUGH = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_EXHAUSTIVE


class NotSeen(Exception):
    """The target was not found; the text says what may be wrong."""


def find_target(grey: NDArray[np.uint8], target: Target) -> NDArray[np.float64]:
    """Return its points in `grey`, (h, w) uint8, in the order of `points_mm`: (n, 2) px.

    (0, 0) is the centre of the upper left pixel, as OpenCV counts. Raises NotSeen.
    """
    find = _corners if target.kind == "chessboard" else _centres
    size = (target.columns, target.rows)
    points = find(grey, size)
    if points is None:
        raise NotSeen(_why(grey, target))
    grid = points.reshape(target.rows, target.columns, 2)
    pitch_px = min(float(np.hypot(*np.diff(grid, axis=axis).T).min()) for axis in (0, 1))
    if pitch_px < _LEAST_PITCH_PX:
        msg = f"its points are only {pitch_px:.1f} px apart; expected {_LEAST_PITCH_PX:g} at least: nearer, or larger"
        raise NotSeen(msg)
    return points


def _corners(grey: NDArray[np.uint8], size: tuple[int, int], flags: int = _THOROUGH) -> NDArray[np.float64] | None:
    seen, corners = cv2.findChessboardCornersSB(grey, size, flags=flags)
    if not seen:  # each of both finds boards that the other misses
        seen, corners = cv2.findChessboardCorners(grey, size)
    if not seen:
        return None
    # so far they are known to a quarter of a pixel
    grid = np.asarray(corners, np.float32).reshape(size[1], size[0], 2)
    pitch_px = min(float(np.hypot(*np.diff(grid, axis=axis).T).min()) for axis in (0, 1))
    reach = int(np.clip(pitch_px / 3, 2, _REACH_PX))
    refined = cv2.cornerSubPix(grey, grid.reshape(-1, 1, 2), (reach, reach), (-1, -1), _UNTIL)
    return np.asarray(refined, np.float64).reshape(-1, 2)


def _centres(grey: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float64] | None:
    settings = cv2.SimpleBlobDetector.Params()
    settings.minArea, settings.maxArea = 20.0, float(grey.size) / (4 * size[0] * size[1])
    settings.minDistBetweenBlobs = 3.0
    detector = cv2.SimpleBlobDetector.create(settings)
    seen, centres = cv2.findCirclesGrid(grey, size, flags=cv2.CALIB_CB_SYMMETRIC_GRID, blobDetector=detector)
    return np.asarray(centres, np.float64).reshape(-1, 2) if seen else None


def _why(grey: NDArray[np.uint8], target: Target) -> str:
    """Say what may be wrong: who counts squares in place of corners is told so."""
    if target.kind == "circles":
        return f"no grid of {target.columns} x {target.rows} dark circles on white: all of them must be seen"
    for more in (-1, 1):
        columns, rows = target.columns + more, target.rows + more
        if min(columns, rows) >= 3 and _corners(grey, (columns, rows), cv2.CALIB_CB_NORMALIZE_IMAGE) is not None:
            return f"it is a chessboard of {columns} x {rows} inner corners, not {target.columns} x {target.rows}"
    return (
        f"no chessboard of {target.columns} x {target.rows} inner corners: all of it must be seen, "
        "with white around, sharp and evenly lit"
    )
