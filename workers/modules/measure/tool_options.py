"""The options of each kind of tool of the module `measure`, a table [[flow.tools]].

Places are [x, y] in px of the image that the module gets; (0, 0) is the upper left corner of its upper left pixel, so
that the edge between the pixels 19 and 20 of a row lies at x = 20. This file imports neither OpenCV nor numpy.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from workers.modules.measuring_options import not_below_its_min

_FARTHEST_PX = 100_000
SHORTEST_PX = 4.0  # of a path along which an edge is looked for

_Number = Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)]
_Coordinate = Annotated[float, Field(ge=-_FARTHEST_PX, le=_FARTHEST_PX, allow_inf_nan=False)]
Place = Annotated[list[_Coordinate], Field(min_length=2, max_length=2)]

Polarity = Literal["any", "dark_to_light", "light_to_dark"]
Which = Literal["first", "last", "strongest"]


class ToolOptions(BaseModel):
    """What all have."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, Field(min_length=1, max_length=100, description="how `measures` and the picture call it")]
    min: Annotated[_Number | None, Field(description="OK if the value is at least this, in its unit")] = None
    max: Annotated[_Number | None, Field(description="OK if the value is at most this")] = None
    unit: Annotated[
        Literal["px", "mm"] | None, Field(description="of lengths; mm if left out and there is a calibration, else px")
    ] = None

    @field_validator("max")
    @classmethod
    def _is_not_below_min(cls, most: float | None, info: ValidationInfo) -> float | None:
        return not_below_its_min(most, info)


class _Looking(ToolOptions):
    """What those have that look at pixels."""

    polarity: Annotated[Polarity, Field(description="what an edge is, in the direction of the search; any is both")] = (
        "any"
    )
    min_contrast_levels: Annotated[
        float, Field(ge=1, le=255, description="grey levels of 255 by which both sides differ at least")
    ] = 20.0
    smoothing_px: Annotated[
        float, Field(ge=0.7, le=20, description="sigma of the Gaussian; more for noise and blur, less for fine lines")
    ] = 1.5


class _Path(_Looking):
    """What those have that look along one path."""

    start: Annotated[Place, Field(description="where the search begins, [x, y] in px")]
    end: Annotated[Place, Field(description="where it ends")]
    width_px: Annotated[
        float, Field(ge=1, le=2000, description="how wide the path is; brightness is averaged over it")
    ] = 40.0

    @model_validator(mode="after")
    def _leads_somewhere(self) -> _Path:
        if math.dist(self.start, self.end) < SHORTEST_PX:
            msg = f"{self.name!r} has start and end less than {SHORTEST_PX:g} px apart"
            raise ValueError(msg)
        return self


class EdgeTool(_Path):
    """One edge along a path; the value is how far it lies from the start."""

    kind: Literal["edge"]
    which: Annotated[Which, Field(description="which edge counts where there are some")] = "strongest"


class WidthTool(_Path):
    """Two edges along a path, a caliper; the value is how far they lie apart."""

    kind: Literal["width"]
    polarity: Annotated[Polarity, Field(description="what the first edge is; the second is the opposite")] = "any"
    which: Annotated[
        Literal["first", "last", "strongest", "outermost"],
        Field(description="which pair of neighbours counts; or the outermost two, whatever lies between"),
    ] = "strongest"


class _Fit(_Looking):
    """What those have that fit a shape through the edges of many small calipers."""

    search_px: Annotated[
        float, Field(ge=SHORTEST_PX, le=2000, description="how far to either side an edge is looked for")
    ] = 15.0
    which: Annotated[Which, Field(description="which edge of each caliper counts")] = "strongest"
    min_found_percent: Annotated[
        float, Field(ge=1, le=100, description="so many of the calipers must have an edge that fits")
    ] = 50.0


class LineTool(_Fit):
    """A straight edge, searched from left to right as one walks from start to end."""

    kind: Literal["line"]
    start: Annotated[Place, Field(description="where the edge begins on a good part, [x, y] in px")]
    end: Annotated[Place, Field(description="where it ends")]
    calipers: Annotated[int, Field(ge=3, le=200, description="at so many places, side by side")] = 20
    width_px: Annotated[
        float | None, Field(ge=1, le=2000, description="width of each caliper; all of the edge is used if left out")
    ] = None
    value: Annotated[
        Literal["angle", "straightness"],
        Field(description="degrees clockwise against the taught edge; or how far its points lie beside it, in all"),
    ] = "angle"

    @model_validator(mode="after")
    def _leads_somewhere(self) -> LineTool:
        if math.dist(self.start, self.end) < SHORTEST_PX:
            msg = f"{self.name!r} has start and end less than {SHORTEST_PX:g} px apart"
            raise ValueError(msg)
        return self


class CircleTool(_Fit):
    """A round edge, searched from inside outwards."""

    kind: Literal["circle"]
    centre: Annotated[Place, Field(description="its centre on a good part, [x, y] in px")]
    radius_px: Annotated[float, Field(ge=SHORTEST_PX, le=_FARTHEST_PX, description="its radius on a good part")]
    start_degrees: Annotated[
        float, Field(ge=-360, le=360, description="of an arc: where it begins, clockwise from the right")
    ] = 0.0
    sweep_degrees: Annotated[
        float, Field(ge=20, le=360, description="of an arc: how far it goes, clockwise; 360 is all around")
    ] = 360.0
    calipers: Annotated[int, Field(ge=5, le=400, description="at so many places, side by side")] = 36
    width_px: Annotated[
        float | None, Field(ge=1, le=2000, description="width of each caliper; all of the edge is used if left out")
    ] = None
    value: Annotated[
        Literal["diameter", "radius", "roundness"],
        Field(description="roundness is how far its points lie inside and outside of it, in all"),
    ] = "diameter"

    @model_validator(mode="after")
    def _is_larger_than_its_search(self) -> CircleTool:
        if self.search_px >= self.radius_px:
            msg = f"{self.name!r} has search_px = {self.search_px:g}; expected less than radius_px = {self.radius_px:g}"
            raise ValueError(msg)
        return self


class _Between(ToolOptions):
    """What those have that look at what others have found."""

    between: Annotated[
        list[str], Field(min_length=2, max_length=2, description="the names of two tools that stand before")
    ]


class CornerTool(_Between):
    """Where two lines cross: a point for distances; it has no value."""

    kind: Literal["corner"]

    @model_validator(mode="after")
    def _has_no_limits(self) -> CornerTool:
        if self.min is not None or self.max is not None:
            msg = f"{self.name!r} is a point and has no value; expected neither min nor max"
            raise ValueError(msg)
        return self


class DistanceTool(_Between):
    """How far two points, a point and a line, or two lines lie apart."""

    kind: Literal["distance"]


class AngleTool(_Between):
    """The angle between the directions of two lines, from start to end: 0 to 180 degrees."""

    kind: Literal["angle"]
