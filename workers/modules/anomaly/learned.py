"""A file of `framemill train`, loaded: its method looks at pictures, as far as they are of the kind taught."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import cv2
import numpy as np

from workers.errors import ImageInvalid, ModelFailed, ProjectInvalid
from workers.modules.anomaly.learned_file import OTHER_SIZE, is_of_other_size, read_learned
from workers.modules.anomaly.look import Look
from workers.modules.anomaly.methods import METHODS, method_of
from workers.modules.anomaly.score import score_of, within
from workers.modules.project_files import find_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.context.run import LookAtTime

_INSTALLED_BY = {"onnxruntime": "models", "onnx": "anomaly"}


class OtherPicture(ImageInvalid):
    """The picture is of another kind than those that the module was taught with."""


class Taught:
    """What was learned, as it looks at pictures. One at a time: methods keep memory between them."""

    def __init__(self, folder: Path, file: str) -> None:
        """Load `file` of the project in `folder`; raises ProjectInvalid where that, or its backbone, is of no use."""
        self._about, arrays = read_learned(folder / file, f"file: {file}")
        about = self._about
        if about.method not in METHODS:
            msg = f"file: {file} was learned by the method {about.method!r}, expected one of {', '.join(METHODS)}"
            raise ProjectInvalid(msg)
        backbone = _backbone(folder, file, about.backbone)
        try:
            self._learned = method_of(about.method).restore(arrays, backbone)
        except ModuleNotFoundError as error:
            extra = _INSTALLED_BY.get(str(error.name).partition(".")[0], "anomaly")
            msg = f"module: {about.method} needs {error.name}, which is not installed: pip install 'framemill[{extra}]'"
            raise ProjectInvalid(msg) from None
        except ValueError as error:
            msg = f"file: {file} cannot be used: {error}; train it again: framemill train PROJECT GOOD_FOLDER"
            raise ProjectInvalid(msg) from None
        self.threshold = about.threshold

    def look(self, image: NDArray[np.uint8], mask: NDArray[np.uint8] | None, look_at_time: LookAtTime) -> Look:
        """Look at `image`, (h, w) grey or (h, w, 3) BGR; what is 0 in `mask` (h, w) is not strange.

        Raises:
            OtherPicture: it is not of the kind that was taught.
            ModelFailed: what comes out is not a number.
        """
        heat = within(self._learned.heat(self._as_taught(image), look_at_time), mask)
        score = score_of(heat)
        if not np.isfinite(score) or np.isnan(heat).any():
            msg = "what the method says of the picture is not a number in places: nothing can be told of it"
            raise ModelFailed(msg)
        return Look(score, heat)

    def _as_taught(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return `image` in the channels that were taught."""
        about = self._about
        width, height = about.image_px
        if is_of_other_size((image.shape[1], image.shape[0]), about.image_px):
            msg = (
                f"the picture has {image.shape[1]} x {image.shape[0]} px, but it was taught with {width} x {height}:"
                f" expected at most {OTHER_SIZE} times as many pixels, and at least a quarter"
            )
            raise OtherPicture(msg)
        if about.channels == 1 and image.ndim == 3:
            return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
        if about.channels == 3 and image.ndim == 2:
            msg = "the picture is grey, but it was taught with pictures in colour"
            raise OtherPicture(msg)
        return image


def _backbone(folder: Path, file: str, named: str) -> Path | None:
    """Return the backbone's path; raises ProjectInvalid where there is none of that name."""
    if not named:
        return None
    try:
        return find_file(folder, str(PurePosixPath(named)))
    except ValueError as error:
        msg = f"file: {file} looks through a backbone that is not there: {error}; it is written beside it by training"
        raise ProjectInvalid(msg) from None
