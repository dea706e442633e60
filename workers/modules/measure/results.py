"""What a tool's finding becomes in the answer: a value with its limits, and lines to be drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workers.modules.measure.shapes import (
    Found,
    Round,
    Spot,
    Straight,
    angle_degrees,
    distance,
    nearest,
    turned_degrees,
)
from workers.modules.measure.tool_options import AngleTool, CircleTool, CornerTool, DistanceTool, LineTool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from workers.modules.measure.options import Tool

_DIGITS = 5  # behind the point: a hundred thousandth of a px or mm is beyond any camera


@dataclass(frozen=True, slots=True)
class Result:
    """The value of a tool. `reason` says why there is none; a corner has neither."""

    tool: Tool
    unit: str
    value: float | None
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether it was found, and lies within its limits."""
        if self.reason:
            return False
        if self.value is None:
            return True
        least, most = self.tool.min, self.tool.max
        return (least is None or self.value >= least) and (most is None or self.value <= most)

    @property
    def judged(self) -> bool:
        """Whether it makes the result: it has limits, or was not found."""
        return bool(self.reason) or self.tool.min is not None or self.tool.max is not None

    def measure(self) -> dict[str, Any]:
        """Return what `measures` says of it."""
        limits = {"min": self.tool.min, "max": self.tool.max}
        said: dict[str, Any] = {"value": self.value, "unit": self.unit, **limits, "ok": self.ok}
        return {**said, "reason": self.reason} if self.reason else said


def unit_of(tool: Tool, *, calibrated: bool) -> str:
    """Return the unit of the tool's value."""
    if isinstance(tool, AngleTool) or (isinstance(tool, LineTool) and tool.value == "angle"):
        return "deg"
    return tool.unit or ("mm" if calibrated else "px")


def value_of(tool: Tool, unit: str, found: Found, taught: NDArray[np.float64] | None) -> float | None:
    """Return what a tool that looks at pixels has measured; `taught` is the direction of a line, (2,), in the frame."""
    if isinstance(tool, LineTool) and tool.value == "angle":
        assert isinstance(found.px, Straight)
        assert taught is not None
        return round(turned_degrees(taught, found.px.direction), _DIGITS)
    shape = found.within(unit)
    if isinstance(shape, Spot):
        return round(shape.length, _DIGITS)
    if isinstance(shape, Straight) or (isinstance(tool, CircleTool) and tool.value == "roundness"):
        return round(shape.spread, _DIGITS)
    return round(shape.radius * (2 if isinstance(tool, CircleTool) and tool.value == "diameter" else 1), _DIGITS)


def value_between(tool: DistanceTool | AngleTool, unit: str, one: Found, other: Found) -> float:
    """Return what lies between two findings; angles in mm where both have them, so that no perspective counts."""
    if isinstance(tool, DistanceTool):
        return round(distance(one.within(unit), other.within(unit)), _DIGITS)
    lines = (one.px, other.px) if one.mm is None or other.mm is None else (one.mm, other.mm)
    first, second = lines
    assert isinstance(first, Straight)
    assert isinstance(second, Straight)
    return round(angle_degrees(first, second), _DIGITS)


def line_of(result: Result, found: Found, width_px: float) -> dict[str, Any]:
    """Return the entry of `lines` for what a tool that looks at pixels, or a corner, has found.

    Of an edge the line goes from the start to it; of a round edge it is a diameter.
    """
    shape = found.px
    if isinstance(shape, Round):
        reach = shape.point * 0 + (shape.radius, 0.0)
        line = _line(result, shape.point - reach, shape.point + reach, width_px)
        return {**line, "centre": _place(shape.point), "radius": shape.radius}
    return _line(result, shape.begin, shape.end, width_px)


def line_between(result: Result, one: Found, other: Found) -> dict[str, Any]:
    """Return the entry of `lines` for what lies between two findings."""
    if isinstance(result.tool, AngleTool):
        assert isinstance(one.px, Straight)
        assert isinstance(other.px, Straight)
        return _line(result, one.px.middle, other.px.middle, 0.0)
    return _line(result, *nearest(one.px, other.px), 0.0)


def _line(result: Result, begin: NDArray[np.float64], end: NDArray[np.float64], width_px: float) -> dict[str, Any]:
    away = end - begin
    return {
        "start": _place(begin),
        "end": _place(end),
        "angle": round(math.degrees(math.atan2(away[1], away[0])), _DIGITS),
        "width": width_px,
        "length": round(float(math.hypot(*away)), _DIGITS),
        "label": result.tool.name,
        "method": result.tool.kind,
        "percent": False,
        "value": None if isinstance(result.tool, CornerTool) else result.value,
        "unit": result.unit,
        "ok": result.ok if result.judged else None,
    }


def _place(point: NDArray[np.float64]) -> dict[str, float]:
    return {"x": round(float(point[0]), _DIGITS), "y": round(float(point[1]), _DIGITS)}
