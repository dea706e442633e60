"""The module `segmentation`: finds with a trained model which pixels are what.

    [[flow]]
    module = "segmentation"
    file = "models/scratches.onnx"

Pieces of the masks become rectangles with their areas, classes go to `surfaceClasses`, and what is found is hot.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from workers.modules.measured import keep_measured
from workers.modules.models.looking import Part, counted, judge, letterboxed, together, views_of, wanted_of
from workers.modules.models.model import Facts, Model, ModelModule
from workers.modules.models.shown import View
from workers.modules.segmentation import instances, planes
from workers.modules.segmentation.instances import Instances
from workers.modules.segmentation.planes import Planes
from workers.modules.segmentation.surface import NOTHING, Piece, Surface

if TYPE_CHECKING:
    from workers.context.run import Context, Run
    from workers.modules.base import ModuleSurroundings
    from workers.modules.models.network import Output
    from workers.modules.models.shown import Fitted
    from workers.modules.segmentation.options import SegmentationOptions

Read = Callable[["list[Output]"], Planes | Instances]


def prepare(options: SegmentationOptions, surroundings: ModuleSurroundings) -> Callable[[Context, Run], bool]:
    """Return the module, ready to run on contexts.

    Raises:
        ProjectInvalid: the model cannot be loaded, takes no pictures, or its outputs are no masks.
    """
    module = Segmentation(options, surroundings)
    return ModelModule(module, module.model, surroundings)


class Segmentation:
    """The module with its model. One frame at a time: it keeps memory between frames."""

    def __init__(self, options: SegmentationOptions, surroundings: ModuleSurroundings) -> None:
        """Raises ProjectInvalid as `prepare` does."""
        self._options = options
        self._part = Part(options)
        self.model: Model[Read] = Model(options, surroundings, self._reader, letterboxed)

    def __call__(self, context: Context, run: Run) -> None:
        """Look at `context["image"]`, (h, w) grey or (h, w, 3) BGR uint8, which is only read."""
        options, model = self._options, self.model
        image, part = self._part.of(context["image"])
        views = views_of(options, part)
        surface = Surface(part)
        found: list[Piece] = []
        for view in views:
            outputs, fitted = model.ask(image, view, run)
            said = model.reader(outputs)
            if isinstance(said, Planes):
                self._put_planes(said, fitted, surface, run)
            else:
                found += self._put_instances(said, fitted, surface, run)
        whole = found if found and len(views) == 1 else surface.pieces(options.area_min_px, run.look_at_time)
        self._tell(context, whole[: options.most], surface)

    def _put_planes(self, said: Planes, fitted: Fitted, surface: Surface, run: Run) -> None:
        """Put the likeliest class of each pixel into the surface, where it is one that is wanted."""
        view, size = fitted.view, self.model.input_px
        wanted = wanted_of(self._options, self.model.labels)
        if not said.sure:
            return
        best = fitted.sampled(said.nothing, size, view, 1.0)
        number = np.full(best.shape, NOTHING, np.int16)
        for each, plane in said.sure.items():
            run.look_at_time()
            sure = fitted.sampled(plane, size, view, 0.0)
            better = sure > best
            best[better], number[better] = sure[better], each if wanted is None or each in wanted else NOTHING
        best[(number == NOTHING) | (best < self._options.min_confidence)] = 0
        surface.put(view, number, best)

    def _put_instances(self, said: Instances, fitted: Fitted, surface: Surface, run: Run) -> list[Piece]:
        """Put the masks of objects into the surface; return them as pieces, the surest first."""
        options, size = self._options, self.model.input_px
        boxes = said.boxes.placed(fitted.corners_in_image(said.boxes.corners))
        boxes = together([boxes], [fitted.view], fitted.view, options, wanted_of(options, self.model.labels))
        pieces = []
        for corners, confidence, number, more in zip(
            boxes.corners.tolist(), boxes.confidence.tolist(), boxes.label.tolist(), boxes.more, strict=True
        ):
            run.look_at_time()
            left, top, right, bottom = corners
            x, y = math.floor(left), math.floor(top)
            box = View(x, y, math.ceil(right) - x, math.ceil(bottom) - y)
            there = fitted.sampled(said.mask(more), size, box, -1.0) > 0
            area_px = int(np.count_nonzero(there))
            if area_px >= options.area_min_px:
                surface.put(box, number, there.astype(np.float32) * np.float32(confidence))
                pieces.append(Piece(box, area_px, confidence, number))
        return pieces

    def _tell(self, context: Context, pieces: list[Piece], surface: Surface) -> None:
        options, labels = self._options, self.model.labels
        rectangles = [_rectangle(each, labels.of(each.number)) for each in pieces]
        context["detectedRectangles"] += rectangles
        classes = surface.classes(labels.of)
        there: Any = context.get("surfaceClasses")
        context["surfaceClasses"] = [*(there if isinstance(there, list | tuple) else ()), *classes]
        areas = {each["label"]: {key: each[key] for key in ("area", "share_percent")} for each in classes}
        keep_measured(context, "surfaces", options.name, {**counted(rectangles), "classes": areas})
        if options.heat:
            cold = labels.numbers_of(options.ok_labels) if options.ok_labels else set[int]()
            context["heatmaps"].append(surface.heat(context["image"].shape[:2], cold))
        judge(context, options, rectangles)

    def _reader(self, facts: Facts) -> Read:
        facts.expect_task("a model that segments", "segment", planes.SEMANTIC)
        as_planes = planes.plane_reader(facts, self._options) if self._options.format in {None, "planes"} else None
        if as_planes is not None:
            return as_planes
        as_instances = instances.instance_reader(facts, self._options) if self._options.format != "planes" else None
        if as_instances is None:
            facts.refuse(f"{planes.EXPECTED}; or {instances.EXPECTED}")
        return as_instances


def _rectangle(piece: Piece, label: str) -> dict[str, Any]:
    box = piece.box
    return {
        "x": box.x,
        "y": box.y,
        "width": box.width,
        "height": box.height,
        "area": float(piece.area_px),
        "confidence": round(piece.confidence, 4),
        "classNames": [{"id": piece.number, "label": label}],
    }
