"""The module `reference`: is the frame like its golden image?

    [[flow]]
    module = "reference"
    image = "references/{data}.png"      # or a fixed file; {data} is the data of the request

It tells the operator where the frame is `brighter` or `darker` than the golden image, or `tinted`: of another colour;
or `different`, where it is none of these clearly. What an edge jitter or a change of brightness explains is no
difference: `options.py` says how much that is. Heat is 0 where nothing differs and 0.5 at the threshold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workers.errors import ProjectInvalid
from workers.modules.base import ModuleSurroundings, on_run
from workers.modules.reference.differences import Blob, Hot, as_one, find_blobs
from workers.modules.reference.golden import Comparison, Golden
from workers.modules.reference.golden_files import GoldenError, GoldenFiles
from workers.modules.reference.planes.patches import CELL_PX
from workers.modules.reference.planes.sheets import Workspace
from workers.modules.reference.shown import THRESHOLD, Shown
from workers.modules.reference.within_jitter import MOST_POINTS

if TYPE_CHECKING:
    from workers.context.run import Context, LookAtTime, Run
    from workers.modules.reference.options import ReferenceOptions

_AIR_PX = 7  # a defect with what belongs to it, as people draw it; and its lines do not cover a small one
_CLEARLY = 2  # times as much of the one as of the other

_BRIGHTER: dict[str, Any] = {"id": 1, "label": "brighter", "color": "#56b4e9", "color_bgr": [233, 180, 86]}
_DARKER: dict[str, Any] = {"id": 2, "label": "darker", "color": "#e69f00", "color_bgr": [0, 159, 230]}
_TINTED: dict[str, Any] = {"id": 3, "label": "tinted", "color": "#cc79a7", "color_bgr": [167, 121, 204]}
_DIFFERENT: dict[str, Any] = {"id": 4, "label": "different", "color": "#f0e442", "color_bgr": [66, 228, 240]}


def prepare(options: ReferenceOptions, surroundings: ModuleSurroundings) -> Callable[[Context, Run], bool]:
    """Return the module, ready to run on contexts; a fixed golden image is loaded now, others at their first use.

    Raises:
        ProjectInvalid: there is no such golden image in the project, or it cannot be used.
    """
    return on_run(Reference(options, surroundings), surroundings)


class Reference:
    """The module with its golden images. One frame at a time: it keeps scratch memory between frames."""

    def __init__(self, options: ReferenceOptions, surroundings: ModuleSurroundings) -> None:
        """Raises ProjectInvalid as `prepare` does."""
        self._options = options
        try:
            self._files = GoldenFiles(options, surroundings.folder)
        except GoldenError as error:
            msg = f"image: {error}"
            raise ProjectInvalid(msg) from None
        self._source = surroundings.source
        self._scratch = Workspace((0, 0), CELL_PX)

    def __call__(self, context: Context, run: Run) -> None:
        """Judge `context["image"]`, (h, w) grey or (h, w, 3) BGR uint8, which is only read.

        Where it cannot be judged, the reason goes to `errors`, `result` is false, and the flow ends: no later module
        may call a frame OK that nobody has seen.
        """
        image = context["image"]
        try:
            golden = self._files.golden(context["data"])
            _check_shape(image, golden)
        except GoldenError as error:
            context["errors"].append({"module": self._options.title, "message": str(error)})
            context["error"], context["result"], context["exit"] = True, False, True
            return
        self._judge(context, image, golden, run.look_at_time)

    def _judge(self, context: Context, image: NDArray[np.uint8], golden: Golden, look_at_time: LookAtTime) -> None:
        if self._scratch.shape != golden.shape:
            self._scratch = Workspace(golden.shape, CELL_PX)
        comparison = golden.compare(image, self._scratch, look_at_time)
        look_at_time()
        shown = Shown(comparison, golden.shape)
        look_at_time()
        blobs = self._blobs(comparison, shown)
        first_id = 1 + max((rectangle.get("id", 0) for rectangle in context["detectedRectangles"]), default=0)
        context["heatmaps"].append(shown.heat)
        context["detectedRectangles"].extend(
            self._rectangle(blob, number, golden.shape) for number, blob in enumerate(blobs, first_id)
        )
        context["score"] = round(shown.highest, 4)
        context["threshold"] = THRESHOLD
        context["result"] = not blobs

    def _blobs(self, comparison: Comparison, shown: Shown) -> list[Blob]:
        """Return the defects, and show their heat."""
        hot = Hot.together(comparison.hot, shown.heat.shape[1]) if comparison.hot else None
        if hot is None or not hot.y.size:
            return []
        if hot.y.size > max(MOST_POINTS, self._options.min_area_px):
            blobs = [as_one(hot)]
        else:
            blobs, hot = find_blobs(hot, self._options.min_area_px)
        shown.put(hot)
        return blobs

    def _rectangle(self, blob: Blob, number: int, shape: tuple[int, int]) -> dict[str, Any]:
        """Return the rectangle around `blob`, wider by what the edge jitter may hide of it, and by some air."""
        margin = self._options.edge_jitter_px + _AIR_PX
        left, top = max(blob.x - margin, 0), max(blob.y - margin, 0)
        right = min(blob.x + blob.width + margin, shape[1])
        bottom = min(blob.y + blob.height + margin, shape[0])
        return {
            "id": number,
            "x": left,
            "y": top,
            "width": right - left,
            "height": bottom - top,
            "rotate": 0.0,
            "area": float(blob.area_px),
            "confidence": blob.heat,
            "classNames": [{**_kind(blob), "confidence": blob.heat}],
            "source": {**self._source},
        }


def _kind(blob: Blob) -> dict[str, Any]:
    """Name what is there to see: colour only where brightness hardly changed."""
    brighter, darker = blob.brighter, blob.darker
    if blob.tinted > _CLEARLY * max(brighter, darker):
        return _TINTED
    if brighter > _CLEARLY * darker:
        return _BRIGHTER
    return _DARKER if darker > _CLEARLY * brighter else _DIFFERENT


def _check_shape(image: NDArray[np.uint8], golden: Golden) -> None:
    if image.shape[:2] != golden.shape:
        msg = (
            f"the frame has {image.shape[1]} x {image.shape[0]} pixels,"
            f" its golden image {golden.shape[1]} x {golden.shape[0]}: both must have the same size"
        )
        raise GoldenError(msg)
