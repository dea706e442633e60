"""The options of the module `measure`: its tools, in the order in which they measure.

    [[flow]]
    module = "measure"
    calibration = "calibration.json"

    [[flow.tools]]
    kind = "width"
    name = "gap"
    start = [400, 300]
    end = [520, 300]
    min = 1.9
    max = 2.1

This file imports neither OpenCV nor numpy: the command line checks projects too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from workers.calibration.calibration import read_calibration
from workers.modules.measure.tool_options import (
    AngleTool,
    CircleTool,
    CornerTool,
    DistanceTool,
    EdgeTool,
    LineTool,
    WidthTool,
)
from workers.modules.options import ModuleOptions
from workers.modules.project_files import find_file

if TYPE_CHECKING:
    from workers.modules.project_files import ProjectFiles

MOST_TOOLS = 200

Tool = Annotated[
    EdgeTool | WidthTool | LineTool | CircleTool | CornerTool | DistanceTool | AngleTool,
    Field(discriminator="kind"),
]

_KINDS = {"edge": "a point", "width": "a point", "circle": "a point", "corner": "a point", "line": "a line"}


class MeasureOptions(ModuleOptions):
    """What a project says about a `measure` module."""

    FILES: ClassVar[tuple[str, ...]] = ("calibration",)

    module: Annotated[str, Field(description="what kind of module it is")] = "measure"
    tools: Annotated[
        list[Tool], Field(min_length=1, max_length=MOST_TOOLS, description="what is measured, in this order")
    ]
    calibration: Annotated[
        str, Field(max_length=1000, description="file of `framemill calibrate` in the project; lengths are in mm, then")
    ] = ""
    not_found: Annotated[
        Literal["nok", "error"],
        Field(description="where a tool finds nothing: the frame is NOK, or it is an error too and the flow ends"),
    ] = "nok"

    @field_validator("tools")
    @classmethod
    def _know_each_other(cls, tools: list[Tool]) -> list[Tool]:
        known: dict[str, str] = {}
        for tool in tools:
            if tool.name in known:
                msg = f"has two tools of the name {tool.name!r}; expected a name for each"
                raise ValueError(msg)
            if isinstance(tool, CornerTool | DistanceTool | AngleTool):
                _check_between(tool, known)
            known[tool.name] = tool.kind
        return tools

    @model_validator(mode="after")
    def _millimetres_need_a_calibration(self) -> MeasureOptions:
        wanting = [tool.name for tool in self.tools if tool.unit == "mm"]
        if wanting and not self.calibration:
            msg = f'has {wanting[0]!r} in mm and no calibration; expected one, or unit = "px"'
            raise ValueError(msg)
        return self

    @classmethod
    def mistakes_of_files(cls, table: Mapping[str, Any], files: ProjectFiles) -> Iterator[tuple[str, str]]:
        """Yield why the calibration cannot be used."""
        named = table.get("calibration")
        if isinstance(named, str) and named:
            try:
                read_calibration(find_file(files.folder, named))
            except ValueError as error:
                yield "calibration", str(error)


def _check_between(tool: CornerTool | DistanceTool | AngleTool, known: Mapping[str, str]) -> None:
    """Raise ValueError where the tools that one names do not stand before it, or are not what it takes."""
    for name in tool.between:
        if name not in known:
            msg = f"{tool.name!r} is between {name!r}, and no tool of that name stands before it"
            raise ValueError(msg)
        if _KINDS.get(known[name]) is None or (tool.kind != "distance" and known[name] != "line"):
            expected = "points (edge, width, circle, corner) and lines" if tool.kind == "distance" else "lines"
            msg = f"{tool.name!r} is between {name!r}, which is of the kind {known[name]}; expected {expected}"
            raise ValueError(msg)
    if tool.between[0] == tool.between[1]:
        msg = f"{tool.name!r} is between {tool.between[0]!r} and itself"
        raise ValueError(msg)
