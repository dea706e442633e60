"""Pictures of a target as a project's camera sends them: decoded as its frames are, and what is found in each."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from workers.calibration.finding import NotSeen, find_target
from workers.calibration.target import Target
from workers.errors import FramemillError
from workers.gate import ImageLimits
from workers.pixels.encoded import decode_image
from workers.pixels.frame_form import FrameForm

_FORMATS = ("jpeg", "png", "bmp", "tiff", "webp")
_FILE = "framemill.toml"


@dataclass(frozen=True, slots=True)
class Seen:
    """One picture; `points` of the target, (n, 2) px, are None where it cannot be used, and `why` says why."""

    name: str
    size_px: tuple[int, int] = (0, 0)
    points: NDArray[np.float64] | None = None
    pitch_px: float = 0.0
    why: str = ""


def frame_form(project: Path) -> FrameForm:
    """Return the form in which a project has its frames. The rest is not looked at: it may name this calibration.

    Raises ValueError where there is no project, or no form to be read.
    """
    try:
        tables = tomllib.loads((project / _FILE).read_bytes().decode("utf-8-sig"))
        return FrameForm.model_validate(tables.get("frame", {}))
    except OSError as error:
        msg = f"{project / _FILE}: cannot be read: {error.strerror}"
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{project / _FILE}: {error}"
    except ValidationError as error:
        msg = f"{project / _FILE}: [frame] {error.errors(include_url=False)[0]['msg']}"
    raise ValueError(msg)


def look_at(path: Path, target: Target, form: FrameForm) -> Seen:
    """Look for `target` in a file."""
    try:
        image = decode_image(memoryview(path.read_bytes()), ImageLimits(formats=frozenset(_FORMATS)), form=form)
    except OSError as error:
        return Seen(path.name, why=f"it cannot be read: {error.strerror}")
    except FramemillError as error:
        return Seen(path.name, why=error.message)
    grey = image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
    size_px = (grey.shape[1], grey.shape[0])
    try:
        points = find_target(grey, target)
    except NotSeen as error:
        return Seen(path.name, size_px, why=str(error))
    first, second = points[: target.columns - 1], points[1 : target.columns]
    return Seen(path.name, size_px, points, float(np.hypot(*(second - first).T).mean()))
