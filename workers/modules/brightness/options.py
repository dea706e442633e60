"""The options of the module `brightness`, as the project file has them.

    [[flow]]
    module = "brightness"
    mean_min_level = 60
    over_max_percent = 5

This file imports neither OpenCV nor numpy: the command line checks projects too.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from workers.modules.measuring_options import GuardOptions, not_below_its_min
from workers.modules.options import IS_THRESHOLD

_Level = Annotated[float, Field(ge=0, le=255, allow_inf_nan=False)]
_Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


class BrightnessOptions(GuardOptions):
    """What a project says about a `brightness` module."""

    module: str = "brightness"
    name: Annotated[str, Field(min_length=1, max_length=200, description="how messages and `brightness` call it")] = (
        "brightness"
    )
    mean_min_level: Annotated[_Level | None, IS_THRESHOLD, Field(description="mean brightness, of 255: at least")] = (
        None
    )
    mean_max_level: Annotated[_Level | None, IS_THRESHOLD, Field(description="mean brightness: at most")] = None
    under_level: Annotated[
        int, Field(ge=0, le=254, description="underexposed is a pixel with no channel above this level")
    ] = 5
    over_level: Annotated[
        int,
        Field(
            ge=1,
            le=255,
            validate_default=True,
            description="overexposed is a pixel with a channel at this level or above",
        ),
    ] = 250
    under_min_percent: Annotated[_Percent | None, IS_THRESHOLD, Field(description="underexposed pixels: at least")] = (
        None
    )
    under_max_percent: Annotated[_Percent | None, IS_THRESHOLD, Field(description="underexposed pixels: at most")] = (
        None
    )
    over_min_percent: Annotated[_Percent | None, IS_THRESHOLD, Field(description="overexposed pixels: at least")] = None
    over_max_percent: Annotated[_Percent | None, IS_THRESHOLD, Field(description="overexposed pixels: at most")] = None

    @field_validator("over_level")
    @classmethod
    def _no_pixel_is_both(cls, level: int, info: ValidationInfo) -> int:
        under = info.data.get("under_level")
        if under is not None and level <= under:
            msg = f"is {level}, not above under_level = {under}: pixels would be both; expected {under + 1} at least"
            raise ValueError(msg)
        return level

    @field_validator("mean_max_level", "under_max_percent", "over_max_percent")
    @classmethod
    def _is_not_below_its_min(cls, most: float | None, info: ValidationInfo) -> float | None:
        return not_below_its_min(most, info)
