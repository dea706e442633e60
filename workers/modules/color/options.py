"""The options of the module `color`, as the project file has them.

    [[flow]]
    module = "color"

    [[flow.classes]]
    name = "red"
    hsv_min = [340, 50, 30]          # hue in degrees, saturation and value in percent
    hsv_max = [15, 100, 100]         # hue goes from 340 over 0 to 15

    [[flow.classes]]
    name = "brass"
    samples_bgr = [[80, 160, 190], [95, 175, 205]]
    tolerance = 12                   # delta E

    [[flow.regions]]
    name = "fuse"
    region = { x = 100, y = 40, width = 60, height = 24 }
    share_percent = { red = { min = 80 }, brass = { max = 5 } }

This file imports neither OpenCV nor numpy: the command line checks projects too.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from workers.modules.measuring_options import not_below_its_min
from workers.modules.options import ModuleOptions
from workers.modules.region_options import RegionOption

_MOST_CLASSES = 64

_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
_Level = Annotated[int, Field(ge=0, le=255)]
_Bgr = Annotated[list[_Level], Field(min_length=3, max_length=3)]
_Hsv = Annotated[list[Annotated[float, Field(ge=0, le=360)]], Field(min_length=3, max_length=3)]

_WAYS = (("hsv_min", "hsv_max"), ("bgr_min", "bgr_max"), ("samples_bgr", "tolerance"))


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ColorClass(_Part):
    """A colour with a name: a range of HSV, a range of BGR, or samples with a tolerance."""

    name: Annotated[_Name, Field(description="how limits and `colors` call it")]
    hsv_min: Annotated[_Hsv | None, Field(description="[hue in degrees, saturation, value in percent]: at least")] = (
        None
    )
    hsv_max: Annotated[_Hsv | None, Field(description="the same: at most; a hue below the first goes over 360")] = None
    bgr_min: Annotated[_Bgr | None, Field(description="[blue, green, red], levels of 255: at least")] = None
    bgr_max: Annotated[_Bgr | None, Field(description="the same: at most")] = None
    samples_bgr: Annotated[
        list[_Bgr] | None, Field(min_length=1, max_length=100, description="colours [blue, green, red] that are it")
    ] = None
    tolerance: Annotated[
        float | None,
        Field(gt=0, le=200, allow_inf_nan=False, description="how far from a sample, as delta E (CIE 1976) in CIELAB"),
    ] = None

    @field_validator("hsv_min", "hsv_max")
    @classmethod
    def _percent_end_at_100(cls, hsv: list[float] | None) -> list[float] | None:
        if hsv is not None and max(hsv[1:]) > 100:
            msg = f"is {hsv}, expected hue in degrees up to 360, saturation and value in percent up to 100"
            raise ValueError(msg)
        return hsv

    @model_validator(mode="after")
    def _has_one_way(self) -> Self:
        given = {key for way in _WAYS for key in way if getattr(self, key) is not None}
        if given not in [set(way) for way in _WAYS]:
            has = f"has {', '.join(sorted(given))}" if given else "has no colour"
            msg = f"{has}; expected {', or '.join(' and '.join(way) for way in _WAYS)}"
            raise ValueError(msg)
        for least, most in ((self.hsv_min, self.hsv_max), (self.bgr_min, self.bgr_max)):
            first = 1 if least is self.hsv_min else 0  # a hue may go over 360
            if least and most and any(low > high for low, high in zip(least[first:], most[first:], strict=True)):
                msg = f"has {most} for the most, {least} for the least; no colour would be between"
                raise ValueError(msg)
        return self


class ShareLimits(_Part):
    """Between which limits a share of a region lies."""

    min: Annotated[_Percent | None, Field(description="percent of the region: at least")] = None
    max: Annotated[_Percent | None, Field(description="percent of the region: at most")] = None

    @field_validator("max")
    @classmethod
    def _is_not_below_its_min(cls, most: float | None, info: ValidationInfo) -> float | None:
        return not_below_its_min(most, info)


class ColorRegion(_Part):
    """A region with a name, and how much of it may have which colour."""

    name: Annotated[_Name, Field(description="how `colors` calls it, and its rectangle where a limit does not hold")]
    region: RegionOption = None
    share_percent: Annotated[
        dict[str, ShareLimits], Field(description="limits of the share of classes, by name: { min, max } in percent")
    ] = {}


class ColorOptions(ModuleOptions):
    """What a project says about a `color` module."""

    module: str = "color"
    name: Annotated[str, Field(min_length=1, max_length=200, description="how messages call it")] = "color"
    classes: Annotated[
        list[ColorClass], Field(min_length=1, max_length=_MOST_CLASSES, description="colours with a name")
    ]
    regions: Annotated[list[ColorRegion], Field(min_length=1, max_length=1000, description="regions with a name")]

    @field_validator("classes", "regions")
    @classmethod
    def _names_are_there_once(cls, parts: list[Any]) -> list[Any]:
        names = [part.name for part in parts]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            msg = f"have the name {', '.join(map(repr, twice))} twice; expected a name of its own for each"
            raise ValueError(msg)
        return parts

    @field_validator("regions")
    @classmethod
    def _limits_are_of_known_classes(cls, regions: list[ColorRegion], info: ValidationInfo) -> list[ColorRegion]:
        known = [each.name for each in info.data.get("classes", [])]
        for index, region in enumerate(regions):
            strange = [name for name in region.share_percent if known and name not in known]
            if strange:
                msg = f"[{index}].share_percent has {strange[0]!r}, which is no class; known are {', '.join(known)}"
                raise ValueError(msg)
        return regions
