"""The module `preprocess`: the image is cut, turned, scaled or improved before others look at it.

    [[flow]]
    module = "preprocess"
    steps = [{ do = "crop", x = 100, y = 50, width = 800, height = 600 }, { do = "blur", sigma_px = 1.0 }]

What later modules find is brought back to the frame that came in, whatever was done to the image.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from workers.calibration.calibration import read_calibration
from workers.calibration.plane import UNDISTORTED, undistorted_by
from workers.context.placement import composed
from workers.modules.base import reshaping, white_of
from workers.modules.preprocess.levels import LEVELS
from workers.modules.preprocess.options import Undistort
from workers.modules.preprocess.shapes import SHAPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.context.placement import Matrix
    from workers.context.run import Context, Run
    from workers.modules.base import ModuleSurroundings
    from workers.modules.preprocess.options import PreprocessOptions, Step


def prepare(options: PreprocessOptions, surroundings: ModuleSurroundings) -> Callable[[Context, Run], bool]:
    """Return the module, ready to run on contexts."""
    steps = [_calibrated(step, surroundings) for step in options.steps]

    def change(context: Context, run: Run) -> tuple[NDArray[Any], Matrix | None]:
        image: NDArray[Any] = context["image"]
        placement, white = None, white_of(context)
        for step in steps:
            run.look_at_time()
            if isinstance(step, Undistort):
                _tell(context, step)
            if (shape := SHAPES.get(type(step))) is not None:
                image, moved = shape(image, step)
                placement = composed(placement, moved)
            else:
                image = LEVELS[type(step)](image, step, white)
        return np.ascontiguousarray(image), placement

    return reshaping(change, surroundings)


def _calibrated(step: Step, surroundings: ModuleSurroundings) -> Step:
    """Return a step with the numbers of its calibration in place of the file's name."""
    if not isinstance(step, Undistort) or not step.calibration:
        return step
    found = read_calibration(surroundings.folder / step.calibration)
    numbers = {"focal_px": found.focal_px, "centre_px": found.centre_px, "k": tuple(found.distortion)}
    return step.model_copy(update=numbers)


def _tell(context: Context, step: Undistort) -> None:
    """Leave word for `measure`, which would take the same distortion out once more."""
    assert step.focal_px is not None
    assert step.centre_px is not None
    assert step.k is not None
    items = context.get("items")
    if isinstance(items, dict):
        items[UNDISTORTED] = undistorted_by(step.focal_px, step.centre_px, step.k)
