"""From points of a target to a calibration: lens, plane, and how well they fit.

With four pictures of a target that is held at an angle, the camera is solved as OpenCV models it (focal lengths,
centre, k1, k2, p1, p2). With fewer there is one plane, and what bends its lines: k1, k2 around the middle. Either
way the plane is a homography of its own, so that distances in it are right even where the focal length is a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.calibration.calibration import CalibratedImage, Calibration
from workers.calibration.plane import Plane, straightened
from workers.context.placement import through

if TYPE_CHECKING:
    from workers.calibration.target import Target

_FOR_A_CAMERA = 4  # pictures
_WORSE = 3.0  # times the median of all: such a picture is left out
_WORSE_PX = 0.2  # and by so much
_SURE_PERCENT = 5.0  # of a focal length
_COVERED_PERCENT = 30.0
_EPS = 1e-5

Points = NDArray[np.float64]


class CannotCalibrate(Exception):
    """The pictures make no calibration; the text says why."""


@dataclass(frozen=True, slots=True)
class View:
    """The points of the target in one picture, (n, 2) px, and the picture's name."""

    name: str
    points: Points


@dataclass(frozen=True, slots=True)
class Solved:
    """A calibration, pictures that were left out with the reason, and what whoever calibrates should know."""

    calibration: Calibration
    left_out: dict[str, str]
    notes: list[str]


@dataclass(frozen=True, slots=True)
class _Camera:
    matrix: NDArray[np.float64]
    distortion: NDArray[np.float64]
    rms_px: float
    each_px: list[float]
    unsure_percent: float = 0.0


def solve(target: Target, views: Sequence[View], size_px: tuple[int, int], plane: str, most_rms_px: float) -> Solved:
    """Return the calibration of frames of `size_px` (width, height); `plane` names the picture that shows the plane.

    Raises CannotCalibrate: the fit is worse than `most_rms_px`, or nothing is left.
    """
    kept, left_out = list(views), dict[str, str]()
    camera = _camera(target, kept, size_px, plane)
    while len(kept) > _FOR_A_CAMERA:
        usual, worst = float(np.median(camera.each_px)), int(np.argmax(camera.each_px))
        if camera.each_px[worst] <= max(_WORSE * usual, usual + _WORSE_PX) or kept[worst].name == plane:
            break
        left_out[kept[worst].name] = (
            f"its points lie {camera.each_px[worst]:.2f} px beside, those of others {usual:.2f}: "
            "moved, out of focus, or the target was bent"
        )
        del kept[worst]
        camera = _camera(target, kept, size_px, plane)
    if camera.rms_px > most_rms_px:
        msg = (
            f"points lie {camera.rms_px:.2f} px beside where they should be (rms), at most {most_rms_px:g} is allowed: "
            "is the target flat, sharp, and all of its points as far apart as --target says?"
        )
        raise CannotCalibrate(msg)
    shown = next(view for view in kept if view.name == plane)
    return Solved(_calibration(target, kept, camera, size_px, shown), left_out, _notes(camera, kept, shown, size_px))


def _camera(target: Target, views: Sequence[View], size_px: tuple[int, int], plane: str) -> _Camera:
    if len(views) < _FOR_A_CAMERA:
        return _one_plane(target, next(view for view in views if view.name == plane), size_px)
    flat = np.array([(x, y, 0.0) for x, y in target.points_mm], np.float32)
    seen = [view.points.astype(np.float32).reshape(-1, 1, 2) for view in views]
    rms, matrix, distortion, _, _, deviations, _, each = cv2.calibrateCameraExtended(
        [flat] * len(views), seen, size_px, np.eye(3), np.zeros(5), flags=cv2.CALIB_FIX_K3
    )
    if not np.isfinite(matrix).all() or not np.isfinite(distortion).all():
        raise CannotCalibrate("no camera sees the target as these pictures show it")
    unsure = 100 * float(deviations.ravel()[0]) / float(matrix[0, 0])
    return _Camera(
        np.asarray(matrix, np.float64),
        np.asarray(distortion, np.float64).ravel()[:5],
        float(rms),
        each.ravel().tolist(),
        unsure,
    )


def _one_plane(target: Target, view: View, size_px: tuple[int, int]) -> _Camera:
    """Solve k1 and k2 around the middle, by Gauss and Newton; the focal length only says what they are counted in."""
    width, height = size_px
    longest = float(max(size_px))
    matrix = np.array([[longest, 0, (width - 1) / 2], [0, longest, (height - 1) / 2], [0, 0, 1]])
    flat = np.array(target.points_mm)

    def beside(k: Points) -> Points:
        straight = straightened(view.points, matrix, np.array([*k, 0, 0, 0]))
        return (through(_homography(flat, straight), flat) - straight).ravel()

    radial = np.zeros(2)
    for _ in range(20):
        now = beside(radial)
        slopes = np.column_stack([(beside(radial + step) - now) / _EPS for step in np.eye(2) * _EPS])
        step = np.linalg.lstsq(slopes, -now, rcond=None)[0]
        radial = np.clip(radial + step, -1, 1)
        if np.abs(step).max() < 1e-7:
            break
    rms = float(np.sqrt((beside(radial) ** 2).sum() / len(flat)))
    return _Camera(matrix, np.array([*radial, 0, 0, 0]), rms, [rms])


def _calibration(
    target: Target, views: Sequence[View], camera: _Camera, size_px: tuple[int, int], shown: View
) -> Calibration:
    straight = straightened(shown.points, camera.matrix, camera.distortion)
    flat = np.array(target.points_mm)
    to_mm = _homography(straight, flat)
    errors_mm = np.hypot(*(through(to_mm, straight) - flat).T)
    used = views if len(views) >= _FOR_A_CAMERA else [shown]
    made = Calibration(
        target=str(target),
        width_px=size_px[0],
        height_px=size_px[1],
        camera_matrix=camera.matrix.tolist(),
        distortion=camera.distortion.tolist(),
        plane_to_mm=to_mm.tolist(),
        plane_image=shown.name,
        rms_px=camera.rms_px,
        plane_rms_mm=float(np.sqrt((errors_mm**2).mean())),
        mm_per_px=1.0,
        images=[CalibratedImage(file=view.name, rms_px=rms) for view, rms in zip(used, camera.each_px, strict=True)],
    )
    corner = np.array(size_px) / 2 + [[0, 0], [1, 0], [0, 1]]
    here, right, below = Plane(made, "").mm(corner)
    x, y = right - here, below - here
    return made.model_copy(update={"mm_per_px": float(np.sqrt(abs(x[0] * y[1] - x[1] * y[0])))})


def _notes(camera: _Camera, views: Sequence[View], shown: View, size_px: tuple[int, int]) -> list[str]:
    notes = []
    if len(views) < _FOR_A_CAMERA:
        others = ", the others were not" if len(views) > 1 else ""
        notes.append(
            f"{shown.name} alone was used{others}: for all of the lens take {_FOR_A_CAMERA} pictures or more, "
            "with the target at different angles"
        )
    elif camera.unsure_percent > _SURE_PERCENT:
        notes.append(
            f"the focal length is known to {camera.unsure_percent:.0f} % only: hold the target at more of an angle in "
            "some pictures; distances in the plane are right all the same"
        )
    hull = cv2.convexHull(shown.points.astype(np.float32))
    covered = 100 * float(cv2.contourArea(hull)) / (size_px[0] * size_px[1])
    if covered < _COVERED_PERCENT:
        notes.append(
            f"in {shown.name} the target covers {covered:.0f} % of the picture: beyond it millimetres are less sure"
        )
    return notes


def _homography(origin: Points, goal: Points) -> NDArray[np.float64]:
    found, _ = cv2.findHomography(origin, goal, 0)
    if found is None:
        raise CannotCalibrate("the points of the plane lie on one line")
    return np.asarray(found, np.float64)
