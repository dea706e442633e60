"""From pixels of a frame to millimetres in the plane that was calibrated: first the lens, then the perspective."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.context.placement import through
from workers.errors import ImageInvalid

if TYPE_CHECKING:
    from workers.calibration.calibration import Calibration

UNDISTORTED = "undistorted"
"""The key in a frame's `items` under which `preprocess` says which distortion it has taken out."""

# undistortion has no formula: it is solved point by point, to a ten thousandth of a pixel
_UNTIL = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-7)


class Plane:
    """The plane of a calibration; `name` is its file, for messages."""

    def __init__(self, calibration: Calibration, name: str, *, straight: bool = False) -> None:
        self._calibration, self._name, self._straight = calibration, name, straight
        self._camera = np.array(calibration.camera_matrix, np.float64)
        self._distortion = np.array(calibration.distortion, np.float64)
        self._to_mm = np.array(calibration.plane_to_mm, np.float64)

    def for_frame(self, frame_px: tuple[int, int], items: object) -> Plane:
        """Return the plane as a frame of `frame_px`, (height, width), sees it; `items` are those of its context.

        Raises ImageInvalid where the calibration is of other frames, or another distortion was taken out before.
        """
        own = self._calibration
        if frame_px != (own.height_px, own.width_px):
            msg = (
                f"{self._name} is a calibration of frames of {own.width_px} x {own.height_px} px, this one has "
                f"{frame_px[1]} x {frame_px[0]}: calibrate with pictures as the camera sends them"
            )
            raise ImageInvalid(msg)
        taken = items.get(UNDISTORTED) if isinstance(items, dict) else None
        if taken is None:
            return self
        if taken != undistorted_by(own.focal_px, own.centre_px, own.distortion):
            msg = f"preprocess has taken out another distortion than that of {self._name}: name that file there, too"
            raise ImageInvalid(msg)
        return Plane(own, self._name, straight=True)

    def mm(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points of the frame, (n, 2) px from the corner of its upper left pixel, as (n, 2) mm in the plane."""
        centred = points - 0.5
        if not self._straight:
            centred = straightened(centred, self._camera, self._distortion)
        return through(self._to_mm, centred)


def straightened(
    points: NDArray[np.float64], camera: NDArray[np.float64], distortion: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return where points, (n, 2) px, would lie without the distortion of `camera`, (3, 3)."""
    straight = cv2.undistortPoints(points[:, None], camera, distortion, None, None, camera, _UNTIL)
    return np.asarray(straight, np.float64)[:, 0]


def undistorted_by(
    focal_px: tuple[float, float], centre_px: tuple[float, float], distortion: Sequence[float]
) -> tuple[float, ...]:
    """Return what `preprocess` leaves in `items` for a distortion that it has taken out."""
    return (*focal_px, *centre_px, *distortion)
