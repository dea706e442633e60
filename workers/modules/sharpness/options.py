"""The options of the module `sharpness`, as the project file has them.

    [[flow]]
    module = "sharpness"
    region = { x = 100, y = 40, width = 300, height = 200 }
    sharpness_min_percent = 4

This file imports neither OpenCV nor numpy: the command line checks projects too.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from workers.modules.measuring_options import GuardOptions
from workers.modules.options import IS_THRESHOLD


class SharpnessOptions(GuardOptions):
    """What a project says about a `sharpness` module."""

    module: str = "sharpness"
    name: Annotated[str, Field(min_length=1, max_length=200, description="how messages and `sharpness` call it")] = (
        "sharpness"
    )
    sharpness_min_percent: Annotated[
        float | None,
        IS_THRESHOLD,
        Field(ge=0, allow_inf_nan=False, description="slope per px, in percent of the mean brightness: at least"),
    ] = None
