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

from workers.context.placement import composed
from workers.modules.base import reshaping, white_of
from workers.modules.preprocess.levels import LEVELS
from workers.modules.preprocess.shapes import SHAPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.context.placement import Matrix
    from workers.context.run import Context, Run
    from workers.modules.base import ModuleSurroundings
    from workers.modules.preprocess.options import PreprocessOptions


def prepare(options: PreprocessOptions, surroundings: ModuleSurroundings) -> Callable[[Context, Run], bool]:
    """Return the module, ready to run on contexts."""

    def change(context: Context) -> tuple[NDArray[Any], Matrix | None]:
        image: NDArray[Any] = context["image"]
        placement, white = None, white_of(context)
        for step in options.steps:
            if (shape := SHAPES.get(type(step))) is not None:
                image, moved = shape(image, step)
                placement = composed(placement, moved)
            else:
                image = LEVELS[type(step)](image, step, white)
        return np.ascontiguousarray(image), placement

    return reshaping(change, surroundings)
