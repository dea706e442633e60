"""The options of the module `segmentation`, as the project file has them.

    [[flow]]
    module = "segmentation"
    file = "models/scratches.onnx"
    area_min_px = 30
    count_max = 0

This file imports neither OpenCV nor numpy: the command line checks projects too.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from workers.modules.models.options import FORMATS, FindingOptions
from workers.modules.options import IS_THRESHOLD


class SegmentationOptions(FindingOptions):
    """What a project says about a `segmentation` module."""

    module: str = "segmentation"
    name: Annotated[str, Field(min_length=1, max_length=200, description="how messages and `surfaces` call it")] = (
        "segmentation"
    )
    format: Annotated[
        FORMATS | Literal["planes"] | None,
        Field(
            description="planes (a number for each pixel and class), or boxes with masks; by its outputs if left out"
        ),
    ] = None
    scores: Annotated[
        Literal["probabilities", "logits"] | None,
        Field(description="planes: shares of 1, or numbers that softmax makes such; what it looks like if left out"),
    ] = None
    background: Annotated[
        int | None,
        Field(
            ge=-1,
            le=10_000,
            description="planes: number of the class that is nothing; -1 for none, as of Ultralytics' semantic exports;"
            " else 0 if left out. Not of a single plane",
        ),
    ] = None
    area_min_px: Annotated[
        int, IS_THRESHOLD, Field(ge=1, le=1_000_000_000, description="what is smaller is left out")
    ] = 20
    heat: Annotated[bool, Field(description="whether what it finds is hot in the heatmap, but for ok_labels")] = True
