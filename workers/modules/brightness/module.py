"""The module `brightness`: is the camera still lit, and not too much?

The mean is that of grey as OpenCV makes it of colours (0.114 blue, 0.587 green, 0.299 red). Exposure is about the
brightest channel of a pixel: what is clipped in one channel has lost its colour.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.modules.base import ModuleSurroundings, on_run
from workers.modules.measured import Failure, guard, keep_measured, outside
from workers.modules.region import Area, Region

if TYPE_CHECKING:
    from workers.context.run import Context, LookAtTime, Run
    from workers.modules.brightness.options import BrightnessOptions

_WEIGHTS_BGR = (0.114, 0.587, 0.299)


def prepare(options: BrightnessOptions, surroundings: ModuleSurroundings) -> Callable[[Context, Run], bool]:
    """Return the module, ready to run on contexts."""
    return on_run(Brightness(options), surroundings)


class Brightness:
    """The module."""

    def __init__(self, options: BrightnessOptions) -> None:
        self._options = options
        self._region = Region(options.region)

    def __call__(self, context: Context, run: Run) -> None:
        """Measure `context["image"]`, (h, w) grey or (h, w, 3) BGR uint8, which is only read."""
        image = context["image"]
        area = self._region.area(image)
        values = self._measured(image[area.window], area, run.look_at_time)
        keep_measured(context, "brightness", self._options.name, {key: round(v, 3) for key, v in values.items()})
        guard(context, self._options, area, self._failures(values))

    def _measured(self, window: NDArray[np.uint8], area: Area, look_at_time: LookAtTime) -> dict[str, float]:
        brightest = _brightest(window)
        look_at_time()
        histogram = cv2.calcHist([brightest], [0], area.mask, [256], [0, 256]).ravel()
        look_at_time()
        share = 100 / area.area_px
        return {
            "mean_level": _mean(window, area.mask),
            "under_percent": float(histogram[: self._options.under_level + 1].sum()) * share,
            "over_percent": float(histogram[self._options.over_level :].sum()) * share,
        }

    def _failures(self, values: dict[str, float]) -> list[Failure]:
        own = self._options
        mean, under, over = values.values()
        return [
            *outside("mean_level", mean, (own.mean_min_level, own.mean_max_level), "too dark", "too bright"),
            *outside(
                "under_percent", under, (own.under_min_percent, own.under_max_percent), "no darkness", "underexposed"
            ),
            *outside("over_percent", over, (own.over_min_percent, own.over_max_percent), "no light", "overexposed"),
        ]


def _brightest(window: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the brightest channel of each pixel, (h, w), of a window that is (h, w) grey or (h, w, 3) BGR."""
    if window.ndim == 2:
        return window
    blue, green, red = cv2.split(window)
    return cv2.max(cv2.max(blue, green, dst=blue), red, dst=blue)  # type: ignore[return-value]  # uint8


def _mean(window: NDArray[np.uint8], mask: NDArray[np.uint8] | None) -> float:
    means = cv2.mean(window, mask)
    if window.ndim == 2:
        return float(means[0])
    return float(sum(weight * mean for weight, mean in zip(_WEIGHTS_BGR, means, strict=False)))
