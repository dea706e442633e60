"""The module `anomaly`: says where a picture looks like none of the good ones that it was taught with.

    [[flow]]
    module = "anomaly"
    file = "models/surface.npz"          # written by `framemill train`

The frame is NOK where its score reaches the threshold. Places that are as hot become rectangles; the heatmap is 0.5
there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from workers.modules.anomaly.options import MODEL_SUFFIX
from workers.modules.base import on_run
from workers.modules.measured import keep_measured
from workers.modules.region import Area, Region

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.context.run import Context, Run
    from workers.modules.anomaly.look import Looker
    from workers.modules.anomaly.options import AnomalyOptions
    from workers.modules.base import ModuleSurroundings

_LABEL: dict[str, Any] = {"id": 1, "label": "anomaly"}
_AT_THRESHOLD = 0.5  # of the heatmap
_ALMOST, _OF_HIGHEST, _HALF = 0.8, 0.95, 0.5


def prepare(options: AnomalyOptions, surroundings: ModuleSurroundings) -> Callable[[Context, Run], bool]:
    """Return the module, ready to run on contexts.

    Raises:
        ProjectInvalid: its file, or what that needs, cannot be used.
    """
    return on_run(Anomaly(options, surroundings), surroundings)


class Piece(NamedTuple):
    """A strange place: its box in px of the image, area, and the highest heat in it, 0 to 1."""

    x: int
    y: int
    width: int
    height: int
    area_px: int
    heat: float


class Anomaly:
    """The module with what looks at pictures. One frame at a time: it keeps memory between frames."""

    def __init__(self, options: AnomalyOptions, surroundings: ModuleSurroundings) -> None:
        """Raises ProjectInvalid as `prepare` does."""
        self._options = options
        self._region = Region(options.region)
        self._looker = _looker(options, surroundings)
        self._threshold = (options.threshold or self._looker.threshold) / options.sensitivity

    def __call__(self, context: Context, run: Run) -> None:
        """Judge `context["image"]`, (h, w) grey or (h, w, 3) BGR uint8, which is only read."""
        options, threshold = self._options, self._threshold
        run.look_at_time()
        image = context["image"]
        area = self._region.area(image)
        part = np.ascontiguousarray(image[area.window])
        look = self._looker.look(part, area.mask, run.look_at_time)
        pieces: list[Piece] = []
        is_bad = look.score >= threshold if look.is_bad is None else look.is_bad
        if look.heat is not None:
            times = _times_threshold(look.heat, threshold, area)
            run.look_at_time()
            if is_bad:
                pieces, forgiven = _pieces(times, area, options.area_min_px)
                is_bad = not forgiven
            if options.heat:
                context["heatmaps"].append(_shown(times, area, image.shape[:2]))
        context["detectedRectangles"] += [_rectangle(each) for each in pieces[: options.most]]
        context["score"], context["threshold"] = round(look.score, 4), round(threshold, 4)
        context["result"] = not is_bad
        area_px = sum(each.area_px for each in pieces)
        told = {"score": round(look.score, 4), "threshold": round(threshold, 4), "count": len(pieces)}
        shares = {"area": float(area_px), "share_percent": round(100 * area_px / area.area_px, 4)}
        keep_measured(context, "anomalies", options.name, {**told, **shares})


def _looker(options: AnomalyOptions, surroundings: ModuleSurroundings) -> Looker:
    if options.file.endswith(MODEL_SUFFIX):
        from workers.modules.anomaly.exported import Exported  # noqa: PLC0415 - what is learned may need none of it
        from workers.modules.models.local import Sessions  # noqa: PLC0415

        judges = options.threshold is None and options.sensitivity == 1
        return Exported(surroundings.shared(Sessions), options.file, judges=judges)
    from workers.modules.anomaly.learned import Taught  # noqa: PLC0415

    return Taught(surroundings.folder, options.file)


def _times_threshold(heat: NDArray[np.float32], threshold: float, area: Area) -> NDArray[np.float32]:
    """Return how many times the threshold `heat`, (rows, columns), is over the window of `area`: (height, width)."""
    size = area.width, area.height
    # a model's map may be larger than the picture
    times = np.asarray(cv2.resize(heat, size, interpolation=cv2.INTER_LINEAR), np.float32) / np.float32(threshold)
    np.maximum(times, 0, out=times)
    if area.mask is not None:
        times[area.mask == 0] = 0
    return times


def _shown(times: NDArray[np.float32], area: Area, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return the heatmap of an image of `shape` (h, w): 0.5 at the threshold, and never quite 1.

    It is squared below: pictures show it from 0.36, and what is not strange is not to be seen in them.
    """
    warm: NDArray[np.float32] = times / (times + np.float32(1))
    np.multiply(warm, 2 * warm, out=warm, where=warm < _AT_THRESHOLD)
    if warm.shape == shape:
        return warm
    heat = np.zeros(shape, np.float32)
    heat[area.window] = warm
    return heat


def _pieces(times: NDArray[np.float32], area: Area, area_min_px: int) -> tuple[list[Piece], bool]:
    """Return the places where `times` the threshold, (height, width) of the window, is 1 at least, the hottest first.

    And whether there are some, but all are smaller than `area_min_px`. What is far hotter than the threshold warms its
    surroundings: a place ends where it has less than half of its heat, and `times` becomes less outside of places.
    """
    highest = float(times.max())
    if highest < _ALMOST:
        return [], False  # the model has other thresholds for pictures than for places
    # between places of the grid the hottest one has a little less
    limit, least_px = (1.0, area_min_px) if highest >= 1 else (highest * _OF_HIGHEST, 1)
    count, labels = cv2.connectedComponents((times >= limit).astype(np.uint8), connectivity=8, ltype=cv2.CV_32S)
    peaks = np.zeros(count, np.float32)
    np.maximum.at(peaks, np.asarray(labels, np.intp).ravel(), times.ravel())
    ends = np.maximum(peaks * np.float32(_HALF), np.float32(limit))
    ends[0] = np.inf
    hot = (times >= ends[labels]).astype(np.uint8)
    _, labels, rows, _ = cv2.connectedComponentsWithStats(hot, connectivity=8, ltype=cv2.CV_32S)
    found = []
    for number, (x, y, width, height, area_px) in enumerate(rows.tolist()):
        if number and area_px >= least_px:
            window = slice(y, y + height), slice(x, x + width)
            peak = float(times[window][labels[window] == number].max())
            found.append(Piece(x + area.x, y + area.y, width, height, area_px, peak / (peak + 1)))
    np.divide(times, max(1.0, highest * _HALF), out=times, where=hot == 0)
    return sorted(found, key=lambda each: (-each.heat, -each.area_px)), not found


def _rectangle(piece: Piece) -> dict[str, Any]:
    return {
        "x": piece.x,
        "y": piece.y,
        "width": piece.width,
        "height": piece.height,
        "area": float(piece.area_px),
        "confidence": round(piece.heat, 4),
        "classNames": [{**_LABEL, "confidence": round(piece.heat, 4)}],
    }
