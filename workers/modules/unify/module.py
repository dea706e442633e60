"""The module `unify`: brings a part to its taught position and rotation.

    [[flow]]
    module = "unify"
    file = "references/bracket.png"

The image becomes as large as the taught picture, with the part where it is there, so that modules after it
(`reference`, or any with a region) need not care where a part lies and how it is turned. What they find is brought back
to the frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from workers.context.placement import for_warp, points_in_frame
from workers.modules.base import ModuleSurroundings, reshaping
from workers.modules.measured import failed, keep_measured
from workers.modules.region import Region
from workers.modules.shape.edges import grey_of
from workers.modules.shape.teaching import TaughtPart
from workers.modules.shape.wanted import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.context.placement import Matrix
    from workers.context.run import Context, Run
    from workers.modules.shape.refine import Pose
    from workers.modules.unify.options import UnifyOptions

_BORDERS = {"black": cv2.BORDER_CONSTANT, "edge": cv2.BORDER_REPLICATE}

_Change = tuple["NDArray[np.uint8]", "Matrix | None"]


def prepare(options: UnifyOptions, surroundings: ModuleSurroundings) -> Callable[[Context, Run], bool]:
    """Return the module, ready to run on contexts.

    Raises:
        ProjectInvalid: there is no such picture in the project, or it shows no outline.
    """
    return reshaping(Unify(options, surroundings), surroundings)


class Unify:
    """The module with its outline. One frame at a time: it keeps scratch memory between frames."""

    def __init__(self, options: UnifyOptions, surroundings: ModuleSurroundings) -> None:
        """Raises ProjectInvalid as `prepare` does."""
        self._options = options
        self._part = TaughtPart(options, surroundings, overlap=0.0)

    def __call__(self, context: Context, run: Run) -> _Change:
        """Return `context["image"]`, (h, w) grey or (h, w, 3) BGR uint8, with the part as it was taught, and how."""
        image = context["image"]
        window = self._window(image)
        found = self._part.search.find(grey_of(image), 1, window, run.look_at_time) if window else []
        if not found:
            return self._missing(context, image)
        run.look_at_time()
        pose, score = found[0]
        context["angle"] = angle = self._part.degrees(pose.angle_rad)
        middle = np.array([[pose.x + 0.5, pose.y + 0.5]])
        ((x, y),) = middle if run.placement is None else points_in_frame(middle, run.placement)
        values = {"x": float(x), "y": float(y), "angle": angle, "scale": pose.scale, "score": score}
        keep_measured(context, "unify", self._options.name, {"found": True, **values})
        return self._aligned(image, pose)

    def _window(self, image: NDArray[np.uint8]) -> Window | None:
        """Return where the middle of the part may lie; None where that is outside of the image."""
        height, width = image.shape[:2]
        reach = self._options.shift_px
        if reach is None:
            return Window(0, 0, width, height)
        x, y = self._part.outline.centre
        left, top = max(0, math.floor(x + 0.5) - reach), max(0, math.floor(y + 0.5) - reach)
        right, bottom = min(width, math.floor(x + 0.5) + reach + 1), min(height, math.floor(y + 0.5) + reach + 1)
        return Window(left, top, right, bottom) if left < right and top < bottom else None

    def _aligned(self, image: NDArray[np.uint8], pose: Pose) -> _Change:
        height, width = self._part.size
        x, y = self._part.outline.centre
        cos, sin = pose.scale * math.cos(pose.angle_rad), pose.scale * math.sin(pose.angle_rad)
        turn = np.array([[cos, -sin], [sin, cos]])
        placement = np.eye(3)
        placement[:2, :2] = turn
        placement[:2, 2] = (pose.x + 0.5, pose.y + 0.5) - turn @ (x + 0.5, y + 0.5)
        aligned = cv2.warpAffine(
            image,
            for_warp(placement)[:2],
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=_BORDERS[self._options.outside],
        )
        return cast("NDArray[np.uint8]", aligned), placement

    def _missing(self, context: Context, image: NDArray[np.uint8]) -> _Change:
        """Leave the image as it is. No later module may call a part OK that nobody has seen."""
        options = self._options
        context["result"], context["exit"] = False, True
        keep_measured(context, "unify", options.name, {"found": False})
        context["detectedRectangles"].append(failed(Region(None).area(image), ["part not found"]))
        if options.on_missing == "error":
            message = f"{options.name}: the part of {options.file} is not in the frame"
            context["errors"].append({"message": message, "type": "part_not_found"})
        return image, None
