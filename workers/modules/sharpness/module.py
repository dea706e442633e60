"""The module `sharpness`: is the camera still in focus?

The measure is Tenengrad: the mean of the squared slope that the Sobel operator finds (J. M. Tenenbaum, "Accommodation
in computer vision", Stanford 1970; E. Krotkov, "Focusing", International Journal of Computer Vision 1, 1987). Its root,
divided by the mean brightness, is what this module gives: the usual slope of brightness in percent of the brightness
per px. Twice the light makes all slopes twice as steep and the mean twice as bright, so it changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.modules.base import ModuleSurroundings, on_run
from workers.modules.measured import guard, keep_measured, outside
from workers.modules.region import Region

if TYPE_CHECKING:
    from workers.context.run import Context, LookAtTime, Run
    from workers.modules.sharpness.options import SharpnessOptions

_SOBEL_GAIN = 8  # a slope of one level per px
_DARKEST_MEAN = 1.0  # levels; below it there is nothing to be seen, and so nothing sharp


def prepare(options: SharpnessOptions, surroundings: ModuleSurroundings) -> Callable[[Context, Run], bool]:
    """Return the module, ready to run on contexts."""
    return on_run(Sharpness(options), surroundings)


class Sharpness:
    """The module."""

    def __init__(self, options: SharpnessOptions) -> None:
        self._options = options
        self._region = Region(options.region)

    def __call__(self, context: Context, run: Run) -> None:
        """Measure `context["image"]`, (h, w) grey or (h, w, 3) BGR uint8, which is only read."""
        image, options = context["image"], self._options
        area = self._region.area(image)
        value = sharpness_percent(image[area.window], area.mask, area.area_px, run.look_at_time)
        keep_measured(context, "sharpness", options.name, {"sharpness_percent": round(value, 4)})
        limits = (options.sharpness_min_percent, None)
        guard(context, options, area, outside("sharpness_percent", value, limits, "not sharp", "too sharp"))


def sharpness_percent(
    window: NDArray[np.uint8], mask: NDArray[np.uint8] | None, area_px: int, look_at_time: LookAtTime
) -> float:
    """Return the sharpness of `window`, (h, w) grey or (h, w, 3) BGR, where `mask`, (h, w), is 255.

    `area_px` is how many pixels that are. It is 0 where all is alike or black.
    """
    grey = window if window.ndim == 2 else cv2.cvtColor(window, cv2.COLOR_BGR2GRAY)
    mean = cv2.mean(grey, mask)[0]
    if mean < _DARKEST_MEAN or min(grey.shape) < 2:
        return 0.0
    look_at_time()
    energy = 0.0
    for slope in cv2.spatialGradient(np.ascontiguousarray(grey)):
        look_at_time()
        energy += cv2.norm(slope, cv2.NORM_L2SQR, mask)
    return 100 * math.sqrt(energy / area_px) / (_SOBEL_GAIN * mean)
