"""The options of the module `blobs`, as the project file has them.

    [[flow]]
    module = "blobs"
    darker_than = 80
    area_min_px = 50
    count_max = 0

This file imports neither OpenCV nor numpy: the command line checks projects too.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from workers.modules.measuring_options import not_below_its_min
from workers.modules.options import IS_THRESHOLD, ModuleOptions
from workers.modules.region_options import RegionOption

_MOST_PX = 1_000_000_000

_Area = Annotated[int, Field(ge=1, le=_MOST_PX)]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Ratio = Annotated[float, Field(ge=1, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0)]
_DarkLevel = Annotated[int, Field(ge=1, le=255)]
_BrightLevel = Annotated[int, Field(ge=0, le=254)]
_Diameter = Annotated[int, Field(ge=1, le=101)]

_LEVELS = {"darker_than": "bright", "brighter_than": "dark"}  # and the polarity that has no use for it


class BlobsOptions(ModuleOptions):
    """What a project says about a `blobs` module."""

    module: str = "blobs"
    name: Annotated[str, Field(min_length=1, max_length=200, description="how messages and `blobs` call it")] = "blobs"
    region: RegionOption = None
    channel: Annotated[
        Literal["grey", "blue", "green", "red"], Field(description="what of a colour picture is looked at")
    ] = "grey"
    polarity: Annotated[
        Literal["dark", "bright", "both"], Field(description="blobs that are darker than the rest, brighter, or both")
    ] = "dark"
    threshold: Annotated[
        Literal["fixed", "otsu", "adaptive"],
        Field(description="fixed levels; levels that Otsu's method finds; or the mean around each pixel"),
    ] = "fixed"
    darker_than: Annotated[
        _DarkLevel | None,
        IS_THRESHOLD,
        Field(validate_default=True, description="fixed: pixels below this level of 255 are dark"),
    ] = None
    brighter_than: Annotated[
        _BrightLevel | None,
        IS_THRESHOLD,
        Field(validate_default=True, description="fixed: pixels above this level are bright"),
    ] = None
    contrast_levels: Annotated[
        int,
        IS_THRESHOLD,
        Field(ge=1, le=255, description="otsu, adaptive: by how many levels of 255 a blob differs; less is none"),
    ] = 20
    window_px: Annotated[
        int, Field(ge=3, le=1001, description="adaptive: side of the square around a pixel whose mean counts; odd")
    ] = 51
    opening_px: Annotated[
        _Diameter, Field(description="what is thinner is taken away: diameter of a disc, odd; 1 takes nothing")
    ] = 1
    closing_px: Annotated[
        _Diameter, Field(description="gaps and holes that are narrower are filled: diameter, odd; 1 fills nothing")
    ] = 1
    area_min_px: Annotated[_Area, IS_THRESHOLD, Field(description="area, without holes: at least")] = 20
    area_max_px: Annotated[_Area | None, IS_THRESHOLD, Field(description="area: at most")] = None
    width_min_px: Annotated[
        _Area | None, IS_THRESHOLD, Field(description="width of the upright box around it: at least")
    ] = None
    width_max_px: Annotated[_Area | None, IS_THRESHOLD, Field(description="width: at most")] = None
    height_min_px: Annotated[
        _Area | None, IS_THRESHOLD, Field(description="height of the upright box around it: at least")
    ] = None
    height_max_px: Annotated[_Area | None, IS_THRESHOLD, Field(description="height: at most")] = None
    elongation_min: Annotated[
        _Ratio | None,
        IS_THRESHOLD,
        Field(description="longer by shorter side of the smallest box around it, turned too: at least"),
    ] = None
    elongation_max: Annotated[
        _Ratio | None, IS_THRESHOLD, Field(description="elongation: at most; squares and discs have 1")
    ] = None
    roundness_min: Annotated[
        _Share | None, IS_THRESHOLD, Field(description="share of the smallest circle around it that it fills: at least")
    ] = None
    roundness_max: Annotated[
        _Share | None, IS_THRESHOLD, Field(description="roundness: at most; a disc has 1, a square 0.64")
    ] = None
    solidity_min: Annotated[
        _Share | None, IS_THRESHOLD, Field(description="share of its convex hull that it fills: at least")
    ] = None
    solidity_max: Annotated[
        _Share | None, IS_THRESHOLD, Field(description="solidity: at most; without dents and holes it is 1")
    ] = None
    touching_border: Annotated[
        bool, Field(description="whether blobs count that touch the border of the image or of the region")
    ] = True
    count_min: Annotated[_Count | None, IS_THRESHOLD, Field(description="OK if there are at least so many")] = None
    count_max: Annotated[_Count | None, IS_THRESHOLD, Field(description="OK if there are at most so many")] = None
    label: Annotated[
        str | None,
        Field(min_length=1, max_length=200, description="what its rectangles are called; dark or bright if left out"),
    ] = None
    heat: Annotated[bool, Field(description="whether its blobs are hot in the heatmap")] = False

    @property
    def judges(self) -> bool:
        """Whether it makes a result."""
        return self.count_min is not None or self.count_max is not None

    @field_validator(*_LEVELS)
    @classmethod
    def _level_has_a_use(cls, level: int | None, info: ValidationInfo) -> int | None:
        known = info.data
        if "polarity" not in known or "threshold" not in known:
            return level
        assert info.field_name is not None
        used = known["threshold"] == "fixed" and known["polarity"] != _LEVELS[info.field_name]
        if used and level is None:
            msg = f"is missing; threshold = 'fixed' with polarity = {known['polarity']!r} needs a level of 0 to 255"
            raise ValueError(msg)
        if level is not None and not used:
            msg = (
                f"has no use with threshold = {known['threshold']!r} and polarity = {known['polarity']!r}; leave it out"
            )
            raise ValueError(msg)
        return level

    @field_validator("brighter_than")
    @classmethod
    def _no_pixel_is_both(cls, level: int | None, info: ValidationInfo) -> int | None:
        dark = info.data.get("darker_than")
        if level is not None and dark is not None and level < dark - 1:
            msg = f"is {level}, below darker_than = {dark}: pixels between would be both; expected {dark - 1} at least"
            raise ValueError(msg)
        return level

    @field_validator("window_px", "opening_px", "closing_px")
    @classmethod
    def _is_odd(cls, size_px: int) -> int:
        if size_px % 2 == 0:
            msg = f"is {size_px}, expected an odd number of px, so that it has a middle"
            raise ValueError(msg)
        return size_px

    @field_validator(
        "area_max_px", "width_max_px", "height_max_px", "elongation_max", "roundness_max", "solidity_max", "count_max"
    )
    @classmethod
    def _is_not_below_its_min(cls, most: float | None, info: ValidationInfo) -> float | None:
        return not_below_its_min(most, info)
