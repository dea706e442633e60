"""The options of the module `detector`, as the project file has them.

    [[flow]]
    module = "detector"
    file = "models/screws.onnx"
    count_min = 4
    count_max = 4

This file imports neither OpenCV nor numpy: the command line checks projects too.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from workers.modules.models.options import FORMATS, FindingOptions


class DetectorOptions(FindingOptions):
    """What a project says about a `detector` module."""

    module: str = "detector"
    name: Annotated[str, Field(min_length=1, max_length=200, description="how messages and `detections` call it")] = (
        "detector"
    )
    format: Annotated[FORMATS | None, Field(description="the form of its outputs; what they look like if left out")] = (
        None
    )
