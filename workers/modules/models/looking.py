"""How modules look for things: whole or tile by tile, and what they leave in the context of what they have found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workers.modules.models.boxes import MOST_CANDIDATES, Boxes, joined, usual
from workers.modules.models.shown import BAR_LEVEL, View, Way
from workers.modules.models.tiles import cut_at, mended, tiles_of
from workers.modules.region import Area, Region

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.context.run import Context
    from workers.modules.models.labels import Labels
    from workers.modules.models.metadata import Metadata
    from workers.modules.models.options import FindingOptions, ModelOptions


class Part:
    """The part of images that a model is to see; what lies outside of a polygon is painted over for it."""

    def __init__(self, options: ModelOptions) -> None:
        self._region = Region(options.region)

    def of(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], View]:
        """Return an image, (h, w) or (h, w, 3) BGR, and the part of it that counts; raises RegionOutside."""
        area: Area = self._region.area(image)
        view = View(area.x, area.y, area.width, area.height)
        if area.mask is None:
            return image, view
        painted = image.copy()
        painted[area.window][area.mask == 0] = BAR_LEVEL
        return painted, view


def wanted_of(options: FindingOptions, labels: Labels) -> set[int] | None:
    """Return the numbers of the labels that are looked for; None for all."""
    return None if options.only_labels is None else labels.numbers_of(options.only_labels)


def views_of(options: FindingOptions, view: View) -> list[View]:
    """Return what is looked at one after another: tiles of the view, and the view itself."""
    if options.tile_px is None or (view.width <= options.tile_px and view.height <= options.tile_px):
        return [view]
    tiles = tiles_of(view, options.tile_px, options.tile_overlap_px)
    return [*tiles, view] if options.whole_too else tiles


def together(
    found: Sequence[Boxes], views: Sequence[View], view: View, options: FindingOptions, wanted: set[int] | None
) -> Boxes:
    """Return what was found in `views` as boxes of the image, the surest first; `wanted` are numbers of labels.

    Those of one view lie apart already; of several one object may have some.
    """
    several = len(views) > 1
    boxes = joined(list(found))
    if several:
        cut = np.concatenate([cut_at(each, tile, view) for each, tile in zip(found, views, strict=True)])
        tile = np.repeat(np.arange(len(views)), [len(each) for each in found])
        surest = np.argsort(-boxes.confidence, kind="stable")[:MOST_CANDIDATES]
        boxes = mended(boxes.at(surest), cut[surest], tile[surest])
    if wanted is not None:
        boxes = boxes.at(np.isin(boxes.label, list(wanted)))
    return (boxes.apart(usual(options.overlap)) if several else boxes).surest(options.most)


def rectangles_of(boxes: Boxes, labels: Labels) -> list[dict[str, Any]]:
    """Return boxes as rectangles of a context."""
    rows = zip(boxes.corners.tolist(), boxes.confidence.tolist(), boxes.label.tolist(), strict=True)
    return [
        {
            "x": round(left, 2),
            "y": round(top, 2),
            "width": round(right - left, 2),
            "height": round(bottom - top, 2),
            "confidence": round(confidence, 4),
            "classNames": [{"id": number, "label": labels.of(number)}],
        }
        for (left, top, right, bottom), confidence, number in rows
    ]


def letterboxed(metadata: Metadata) -> Way:
    """Say how pictures are fitted into a model that finds things, where options do not: as it was trained."""
    return Way("letterbox" if metadata.ultralytics else "stretch", "plain")


def judge(context: Context, options: FindingOptions, rectangles: Sequence[dict[str, Any]]) -> None:
    """Put into the context how sure the surest is, and the verdict where the options make one."""
    context["score"] = max((each["confidence"] for each in rectangles), default=0.0)
    context["threshold"] = options.min_confidence
    if options.judges:
        context["result"] = options.is_ok([each["classNames"][0]["label"] for each in rectangles])


def counted(rectangles: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return how many there are in all, and of each label."""
    by_label: dict[str, int] = {}
    for each in rectangles:
        label = each["classNames"][0]["label"]
        by_label[label] = by_label.get(label, 0) + 1
    return {"count": len(rectangles), "labels": by_label}
