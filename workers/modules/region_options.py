"""The option `region` of modules that look at a part of the picture: a rectangle or a polygon, in px.

    region = { x = 100, y = 40, width = 300, height = 200 }
    region = { polygon = [[100, 40], [400, 40], [250, 240]] }

Corners lie between pixels: (0, 0) is the upper left corner of the image, (width, height) its lower right one. A pixel
is inside where its centre is. This file imports neither OpenCV nor numpy.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

_FARTHEST_PX = 100_000

_Place = Annotated[int, Field(ge=0, le=_FARTHEST_PX)]
_Size = Annotated[int, Field(ge=1, le=_FARTHEST_PX)]
_Coordinate = Annotated[float, Field(ge=0, le=_FARTHEST_PX, allow_inf_nan=False)]
_Corner = Annotated[list[_Coordinate], Field(min_length=2, max_length=2)]


class RegionOptions(BaseModel):
    """A rectangle, all four of its numbers, or a polygon; in px of the image that the module sees."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    x: Annotated[_Place | None, Field(description="left edge of the rectangle, px")] = None
    y: Annotated[_Place | None, Field(description="upper edge of the rectangle, px")] = None
    width: Annotated[_Size | None, Field(description="width of the rectangle, px")] = None
    height: Annotated[_Size | None, Field(description="height of the rectangle, px")] = None
    polygon: Annotated[
        list[_Corner] | None,
        Field(min_length=3, max_length=1000, description="corners [x, y] of a polygon in px, in order"),
    ] = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        sides = {"x": self.x, "y": self.y, "width": self.width, "height": self.height}
        given = [key for key, value in sides.items() if value is not None]
        missing = [key for key in sides if key not in given]
        if self.polygon is not None and given:
            msg = f"has a polygon and {', '.join(given)}; expected a rectangle or a polygon"
            raise ValueError(msg)
        if self.polygon is None and missing:
            has = f"has no {', '.join(missing)}" if given else "is empty"
            msg = f"{has}; expected x, y, width and height of a rectangle, or a polygon"
            raise ValueError(msg)
        if self.polygon is not None and _is_a_line(self.polygon):
            msg = "has a polygon whose corners lie on one line; expected three at least that do not"
            raise ValueError(msg)
        return self

    @property
    def rectangle(self) -> tuple[int, int, int, int]:
        """Left, top, width and height of a rectangle, px."""
        return self.x or 0, self.y or 0, self.width or 0, self.height or 0


def _is_a_line(polygon: list[list[float]]) -> bool:
    left, top = polygon[0]
    arms = [(x - left, y - top) for x, y in polygon[1:]]
    return all(x0 * y1 == x1 * y0 for (x0, y0), (x1, y1) in pairwise(arms))


RegionOption = Annotated[
    RegionOptions | None,
    Field(description="what is looked at, { x, y, width, height } or { polygon } in px; all if left out"),
]
