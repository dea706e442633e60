"""The module `shape` on scenes of our own drawing, and how far what it finds lies from where parts are."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.shape_scenes import Part, Place, bracket
from tests.support.projects import surroundings_in
from workers.context.context import new_context
from workers.context.run import Run
from workers.modules.shape.module import prepare
from workers.modules.shape.options import ShapeOptions

Image = NDArray[np.uint8]

BRACKET = bracket()
SIZE = (420, 560)


class Looking:
    """The module on the picture of one part; `middle` is the middle of its outline, px from that of the picture."""

    def __init__(self, folder: Path, drawn: Part, **options: Any) -> None:
        cv2.imwrite(str(folder / "part.png"), drawn.picture)
        self.module = prepare(ShapeOptions.model_validate({"file": "part.png", **options}), surroundings_in(folder))
        taught = self.look(drawn.picture)["detectedRectangles"]
        x, y = (taught[0][a] + taught[0][b] / 2 for a, b in (("x", "width"), ("y", "height"))) if taught else (0, 0)
        self.middle = (x - drawn.width / 2, y - drawn.height / 2)

    def look(self, image: Image) -> dict[str, Any]:
        frame = image.copy()
        frame.flags.writeable = False
        context = new_context(frame, "")
        run = Run.start(2**62)
        context["worked"] = self.module(context, run)
        context["told"] = run.errors
        return context

    def errors(self, rectangle: dict[str, Any], place: Place) -> tuple[float, float, float]:
        """Return how far a rectangle lies from where the part is: px, px, degrees."""
        x, y = place.of(*self.middle)
        turned = math.remainder(rectangle["rotate"] - place.degrees, 360)
        return rectangle["x"] + rectangle["width"] / 2 - x, rectangle["y"] + rectangle["height"] / 2 - y, turned
