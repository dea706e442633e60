"""The module `shape`: finds a taught outline by the directions of its edges, at any angle and scale.

    [[flow]]
    module = "shape"
    file = "references/bracket.png"

The outline is taught from a picture of a good part where the project is loaded. What is found becomes a rectangle,
turned as the part is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from workers.modules.base import ModuleSurroundings, on_run
from workers.modules.measured import keep_measured
from workers.modules.region import Region
from workers.modules.shape.edges import grey_of
from workers.modules.shape.teaching import TaughtPart
from workers.modules.shape.wanted import Found, Window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from workers.context.run import Context, Run
    from workers.modules.shape.options import ShapeOptions

_CLASS: dict[str, Any] = {"id": 1, "color": "#009e73", "color_bgr": [115, 158, 0]}


def prepare(options: ShapeOptions, surroundings: ModuleSurroundings) -> Callable[[Context, Run], bool]:
    """Return the module, ready to run on contexts.

    Raises:
        ProjectInvalid: there is no such picture in the project, or it shows no outline.
    """
    return on_run(Shape(options, surroundings), surroundings)


class Shape:
    """The module with its outline. One frame at a time: it keeps scratch memory between frames."""

    def __init__(self, options: ShapeOptions, surroundings: ModuleSurroundings) -> None:
        """Raises ProjectInvalid as `prepare` does."""
        self._options = options
        self._region = Region(options.region) if options.region is not None else None
        self._part = TaughtPart(options, surroundings, options.overlap)

    def __call__(self, context: Context, run: Run) -> None:
        """Look for the outline in `context["image"]`, (h, w) grey or (h, w, 3) BGR uint8, which is only read."""
        options, image = self._options, context["image"]
        found = self._part.search.find(grey_of(image), options.wanted, self._window(image), run.look_at_time)
        context["detectedRectangles"] += [self._rectangle(each) for each in found]
        values = [self._values(each) for each in found]
        context["angle"] = values[0]["angle"] if values else None
        keep_measured(context, "shapes", options.name, {"count": len(found), "found": values})
        if options.judges:
            most = options.count_max
            context["result"] = options.count_min <= len(found) and (most is None or len(found) <= most)

    def _window(self, image: NDArray[np.uint8]) -> Window | None:
        if self._region is None:
            return None
        area = self._region.area(image)
        return Window(area.x, area.y, area.x + area.width, area.y + area.height, area.mask)

    def _values(self, found: Found) -> dict[str, float]:
        pose, score = found
        return {"angle": self._part.degrees(pose.angle_rad), "scale": pose.scale, "score": score}

    def _rectangle(self, found: Found) -> dict[str, Any]:
        pose, score = found
        width, height = self._part.outline.width * pose.scale, self._part.outline.height * pose.scale
        return {
            "x": pose.x + 0.5 - width / 2,
            "y": pose.y + 0.5 - height / 2,
            "width": width,
            "height": height,
            "rotate": self._part.degrees(pose.angle_rad),
            "confidence": score,
            "classNames": [{**_CLASS, "label": self._options.label or self._options.name}],
        }
