"""The options of the module `shape`, as the project file has them.

    [[flow]]
    module = "shape"
    file = "references/bracket.png"

This file imports neither OpenCV nor numpy: the command line checks projects too.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from workers.modules.measuring_options import not_below_its_min
from workers.modules.options import IS_THRESHOLD
from workers.modules.region_options import RegionOptions
from workers.modules.shape.search_options import SearchOptions

MOST_FOUND = 200

_Count = Annotated[int, Field(ge=0, le=MOST_FOUND)]


class ShapeOptions(SearchOptions):
    """What a project says about a `shape` module."""

    module: str = "shape"
    name: Annotated[str, Field(min_length=1, max_length=200, description="how messages and `shapes` call it")] = "shape"
    region: Annotated[
        RegionOptions | None,
        Field(description="where the middle of a found one may lie, { x, y, width, height } or { polygon } in px"),
    ] = None
    overlap: Annotated[
        float,
        Field(
            ge=0, le=1, allow_inf_nan=False, description="share of the smaller box by which two may lie over each other"
        ),
    ] = 0.5
    count_min: Annotated[
        _Count, IS_THRESHOLD, Field(description="OK if there are at least so many; 0 asks for none")
    ] = 1
    count_max: Annotated[_Count | None, IS_THRESHOLD, Field(description="OK if there are at most so many")] = None
    most: Annotated[
        int | None,
        Field(ge=1, le=MOST_FOUND, description="the best so many are found; as many as the counts need if left out"),
    ] = None
    label: Annotated[
        str | None,
        Field(min_length=1, max_length=200, description="what its rectangles are called; its name if left out"),
    ] = None

    _counts = field_validator("count_max")(not_below_its_min)

    @field_validator("most")
    @classmethod
    def _is_enough(cls, most: int | None, info: ValidationInfo) -> int | None:
        least, limit = info.data.get("count_min"), info.data.get("count_max")
        needed = max(least or 0, -1 if limit is None else limit + 1)
        if most is not None and most < needed:
            msg = f"is {most}, with which the counts cannot be told; expected at least {needed}"
            raise ValueError(msg)
        return most

    @property
    def wanted(self) -> int:
        """How many are looked for."""
        if self.most is not None:
            return self.most
        return max(1, self.count_min) if self.count_max is None else self.count_max + 1

    @property
    def judges(self) -> bool:
        """Whether a count makes the result."""
        return self.count_min > 0 or self.count_max is not None
