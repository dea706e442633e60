"""The module `color`: how much of a region has which colour?

A pixel is of the class that takes it; of several the one whose colour is nearest in CIELAB: the nearest of its samples,
or the middle of its range. A pixel that no class takes is of none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.modules.base import ModuleSurroundings, on_run
from workers.modules.color.classes import NONE, ColorTable
from workers.modules.measured import failed, keep_measured
from workers.modules.region import Area, Region

if TYPE_CHECKING:
    from workers.context.run import Context, LookAtTime, Run
    from workers.modules.color.options import ColorOptions, ColorRegion


def prepare(options: ColorOptions, surroundings: ModuleSurroundings) -> Callable[[Context, Run], bool]:
    """Return the module, ready to run on contexts."""
    return on_run(Color(options), surroundings)


class Color:
    """The module, with a table of the colours that it has met."""

    def __init__(self, options: ColorOptions) -> None:
        self._options = options
        self._table = ColorTable(options.classes)
        self._regions = [Region(each.region) for each in options.regions]
        self._judges = any(each.share_percent for each in options.regions)

    def __call__(self, context: Context, run: Run) -> None:
        """Measure `context["image"]`, (h, w) grey or (h, w, 3) BGR uint8, which is only read."""
        image = context["image"]
        right = True
        for named, region in zip(self._options.regions, self._regions, strict=True):
            area = region.area(image)
            shares = self._shares(image[area.window], area, run.look_at_time)
            keep_measured(context, "colors", named.name, {name: round(share, 3) for name, share in shares.items()})
            if not _holds(named, shares):
                right = False
                context["detectedRectangles"].append(failed(area, [named.name]))
        if self._judges:
            context["result"] = right

    def _shares(self, window: NDArray[np.uint8], area: Area, look_at_time: LookAtTime) -> dict[str, float]:
        """Return the share of each class in the area, in percent of its pixels."""
        classes = self._options.classes
        ends = NONE + 1 + len(classes)
        counts = cv2.calcHist([self._table.classified(window, look_at_time)], [0], area.mask, [ends], [0, ends]).ravel()
        per_class = counts[NONE + 1 :].tolist()
        return {each.name: 100 * count / area.area_px for each, count in zip(classes, per_class, strict=True)}


def _holds(named: ColorRegion, shares: dict[str, float]) -> bool:
    return all(
        (limits.min is None or shares[name] >= limits.min) and (limits.max is None or shares[name] <= limits.max)
        for name, limits in named.share_percent.items()
    )
