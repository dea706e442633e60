"""The module `blobs`: pieces of the picture that are darker or brighter than the rest, by area and shape.

    image --window--> grey --> dark, bright --opening, closing, mask--> labels --limits--> rectangles, heat, result

Pixels that touch, at a corner too, are one blob. Dark ones and bright ones are looked for apart, so two that touch each
other stay two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.modules.base import ModuleSurroundings, on_run
from workers.modules.blobs.components import Canvas
from workers.modules.blobs.shape import asks_for_shape, shaped
from workers.modules.blobs.threshold import around, beyond, differing, levels
from workers.modules.measured import keep_measured
from workers.modules.region import Area, Region

if TYPE_CHECKING:
    from workers.context.run import Context, LookAtTime, Run
    from workers.modules.blobs.options import BlobsOptions

# What has more is noise, or not this part; to measure and to list them all would take longer than a frame may.
MOST_BLOBS = 2000

_CHANNELS = {"blue": 0, "green": 1, "red": 2}
_CLASSES: dict[str, dict[str, Any]] = {
    "bright": {"id": 1, "color": "#56b4e9", "color_bgr": [233, 180, 86]},
    "dark": {"id": 2, "color": "#e69f00", "color_bgr": [0, 159, 230]},
}


def prepare(options: BlobsOptions, surroundings: ModuleSurroundings) -> Callable[[Context, Run], bool]:
    """Return the module, ready to run on contexts."""
    return on_run(Blobs(options), surroundings)


class Blobs:
    """The module. One frame at a time: it keeps scratch memory between frames."""

    def __init__(self, options: BlobsOptions) -> None:
        self._options = options
        self._region = Region(options.region)
        self._polarities = ("dark", "bright") if options.polarity == "both" else (options.polarity,)
        self._opening, self._closing = _disc(options.opening_px), _disc(options.closing_px)
        self._asks_for_shape = asks_for_shape(options)
        self._canvas = Canvas(0, 0)
        self._grey_px = np.empty((0, 0), np.uint8)

    def __call__(self, context: Context, run: Run) -> None:
        """Look for blobs in `context["image"]`, (h, w) grey or (h, w, 3) BGR uint8, which is only read."""
        image = context["image"]
        area = self._region.area(image)
        if self._canvas.shape != (area.height, area.width):
            self._canvas = Canvas(area.height, area.width)
            self._grey_px = np.empty(self._canvas.shape, np.uint8)
        grey = self._grey(image[area.window])
        heat = np.zeros(image.shape[:2], np.float32) if self._options.heat else None
        values: dict[str, Any] = {"count": 0, "area_px": 0}
        run.look_at_time()
        for polarity in self._thresholds(grey, area, values):
            rows = self._blobs(area, run.look_at_time)
            if len(rows) > MOST_BLOBS:
                context["errors"].append({"message": self._too_many(len(rows))})
                context["result"] = False
                return
            values["count"] += len(rows)
            values["area_px"] += int(rows[:, 4].sum())
            context["detectedRectangles"] += [self._rectangle(row, area, polarity) for row in rows.tolist()]
            if heat is not None and len(rows):
                self._heat_up(heat[area.window], rows, run.look_at_time)
        if heat is not None:
            context["heatmaps"].append(heat)
        keep_measured(context, "blobs", self._options.name, values)
        if self._options.judges:
            least, most = self._options.count_min, self._options.count_max
            context["result"] = (least or 0) <= values["count"] and (most is None or values["count"] <= most)

    def _grey(self, window: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if window.ndim == 2:
            return window
        if self._options.channel == "grey":
            cv2.cvtColor(window, cv2.COLOR_BGR2GRAY, dst=self._grey_px)
        else:
            cv2.extractChannel(window, _CHANNELS[self._options.channel], dst=self._grey_px)
        return self._grey_px

    def _thresholds(self, grey: NDArray[np.uint8], area: Area, values: dict[str, Any]) -> Iterator[str]:
        """Yield each polarity once its pixels are in the canvas. Levels go into `values`."""
        options, binary = self._options, self._canvas.binary
        if options.threshold == "adaptive":
            mean = around(grey, options)
            for polarity in self._polarities:
                differing(grey, mean, options.contrast_levels, polarity, binary)
                yield polarity
            return
        dark, bright = levels(grey, area.mask, options)
        for polarity in self._polarities:
            key, level = ("darker_than", dark) if polarity == "dark" else ("brighter_than", bright)
            values[key] = level
            beyond(grey, level, polarity, binary)
            yield polarity

    def _blobs(self, area: Area, look_at_time: LookAtTime) -> NDArray[np.int32]:
        """Return what is between the limits, (n, 6) int32: x, y in the window, width, height, area in px, label."""
        options, binary, labels = self._options, self._canvas.binary, self._canvas.labels
        look_at_time()
        if self._opening is not None:
            cv2.morphologyEx(binary, cv2.MORPH_OPEN, self._opening, dst=binary)
            look_at_time()
        if self._closing is not None:
            cv2.morphologyEx(binary, cv2.MORPH_CLOSE, self._closing, dst=binary)
            look_at_time()
        if area.mask is not None:
            cv2.bitwise_and(binary, area.mask, dst=binary)
        rows = self._canvas.components(look_at_time)
        rows = rows[_within(rows, options)]
        if not options.touching_border and len(rows):
            rows = rows[~np.isin(rows[:, 5], labels.ravel()[area.rim])]
        if self._asks_for_shape and 0 < len(rows) <= MOST_BLOBS:
            rows = rows[shaped(labels, binary, options, rows, look_at_time)]
        return rows

    def _too_many(self, count: int) -> str:
        return (
            f"{self._options.name}: {count:,} blobs, at most {MOST_BLOBS:,} are told apart: the threshold does not suit"
            " this frame, or area_min_px is too small"
        )

    def _rectangle(self, row: list[int], area: Area, polarity: str) -> dict[str, Any]:
        x, y, width, height, area_px, _ = row
        return {
            "x": x + area.x,
            "y": y + area.y,
            "width": width,
            "height": height,
            "area": float(area_px),
            "confidence": 1.0,
            "classNames": [{**_CLASSES[polarity], "label": self._options.label or polarity}],
        }

    def _heat_up(self, heat: NDArray[np.float32], rows: NDArray[np.int32], look_at_time: LookAtTime) -> None:
        """Set `heat`, a window of the heatmap, to 1 on the blobs of `rows`."""
        for x, y, width, height, _, label in rows.tolist():
            look_at_time()
            box = (slice(y, y + height), slice(x, x + width))
            heat[box][self._canvas.labels[box] == label] = 1


def _disc(diameter_px: int) -> NDArray[np.uint8] | None:
    """Return the structuring element of that diameter, or None where it would change nothing."""
    if diameter_px == 1:
        return None
    size = (diameter_px, diameter_px)
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, size)  # type: ignore[return-value]  # uint8


def _within(rows: NDArray[np.int32], options: BlobsOptions) -> NDArray[np.bool_]:
    """Tell of each row whether width, height and area are between their limits."""
    right = rows[:, 4] >= options.area_min_px
    limits = (
        (4, None, options.area_max_px),
        (2, options.width_min_px, options.width_max_px),
        (3, options.height_min_px, options.height_max_px),
    )
    for column, least, most in limits:
        if least is not None:
            right &= rows[:, column] >= least
        if most is not None:
            right &= rows[:, column] <= most
    return right
