"""The module `detector`: finds objects with a trained model, whole or tile by tile.

    [[flow]]
    module = "detector"
    file = "models/screws.onnx"

Each becomes a rectangle with label and confidence. The model is loaded once for all workers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from workers.modules.measured import keep_measured
from workers.modules.models.detections import Read, box_reader
from workers.modules.models.looking import (
    Part,
    counted,
    judge,
    letterboxed,
    rectangles_of,
    together,
    views_of,
    wanted_of,
)
from workers.modules.models.model import Facts, Model, ModelModule

if TYPE_CHECKING:
    from workers.context.run import Context, Run
    from workers.modules.base import ModuleSurroundings
    from workers.modules.detector.options import DetectorOptions
    from workers.modules.models.boxes import Boxes


def prepare(options: DetectorOptions, surroundings: ModuleSurroundings) -> Callable[[Context, Run], bool]:
    """Return the module, ready to run on contexts.

    Raises:
        ProjectInvalid: the model cannot be loaded, takes no pictures, or its outputs are no boxes.
    """
    module = Detector(options, surroundings)
    return ModelModule(module, module.model, surroundings)


class Detector:
    """The module with its model. One frame at a time: it keeps memory between frames."""

    def __init__(self, options: DetectorOptions, surroundings: ModuleSurroundings) -> None:
        """Raises ProjectInvalid as `prepare` does."""
        self._options = options
        self._part = Part(options)
        self.model: Model[Read] = Model(options, surroundings, self._reader, letterboxed)

    def __call__(self, context: Context, run: Run) -> None:
        """Look for objects in `context["image"]`, (h, w) grey or (h, w, 3) BGR uint8, which is only read."""
        options, model = self._options, self.model
        image, part = self._part.of(context["image"])
        views = views_of(options, part)
        found: list[Boxes] = []
        for view in views:
            outputs, fitted = model.ask(image, view, run)
            boxes = model.reader(outputs)
            found.append(boxes.placed(fitted.corners_in_image(boxes.corners)))
        boxes = together(found, views, part, options, wanted_of(options, model.labels))
        rectangles = rectangles_of(boxes, model.labels)
        context["detectedRectangles"] += rectangles
        keep_measured(context, "detections", options.name, counted(rectangles))
        judge(context, options, rectangles)

    def _reader(self, facts: Facts) -> Read:
        facts.expect_task("a model that detects", "detect")
        return box_reader(facts, self._options, self._options.format)
