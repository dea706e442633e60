"""What the options of modules that search for a taught outline have in common.

This file imports neither OpenCV nor numpy: the command line checks projects too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from workers.modules.measuring_options import not_below_its_min
from workers.modules.options import IS_THRESHOLD, ModuleOptions
from workers.modules.project_files import find_file
from workers.modules.region_options import RegionOptions

if TYPE_CHECKING:
    from workers.modules.project_files import ProjectFiles

_Angle = Annotated[float, Field(ge=-360, le=360, allow_inf_nan=False)]
_Scale = Annotated[float, Field(ge=0.2, le=5, allow_inf_nan=False)]


class SearchOptions(ModuleOptions):
    """What a project says about the outline that is looked for, and how far it may be turned and scaled."""

    FILES: ClassVar[tuple[str, ...]] = ("file",)

    name: Annotated[str, Field(min_length=1, max_length=200, description="how messages and values call it")]
    file: Annotated[
        str,
        Field(min_length=1, max_length=1000, description="picture in the project that shows the part as it is taught"),
    ]
    part: Annotated[
        RegionOptions | None,
        Field(description="the part in that picture, { x, y, width, height } or { polygon } in px; all if left out"),
    ] = None
    contrast_levels: Annotated[
        int,
        Field(
            ge=4, le=255, description="levels of 255 by which an edge of the taught part differs; weaker ones are none"
        ),
    ] = 16
    contrast: Annotated[
        Literal["same", "either"],
        Field(description="same: dark stays dark beside bright; either: it may be the other way round"),
    ] = "same"
    angle_min: Annotated[_Angle, Field(description="how far it may be turned, degrees clockwise: from")] = -180.0
    angle_max: Annotated[_Angle, Field(description="to; all the way round is 360 more than angle_min")] = 180.0
    scale_min: Annotated[_Scale, Field(description="how large it may be, 1 is as taught: from")] = 1.0
    scale_max: Annotated[_Scale, Field(description="to")] = 1.0
    min_score: Annotated[
        float,
        IS_THRESHOLD,
        Field(ge=0.3, le=1, allow_inf_nan=False, description="share of the outline that must be there, 0 to 1"),
    ] = 0.6

    _scales = field_validator("scale_max")(not_below_its_min)

    @field_validator("angle_max")
    @classmethod
    def _is_one_turn(cls, most: float, info: ValidationInfo) -> float:
        least = info.data.get("angle_min")
        if least is not None and not 0 <= most - least <= 360:
            msg = f"is {most:g}, expected from angle_min = {least:g} to a whole turn more"
            raise ValueError(msg)
        return most

    @classmethod
    def mistakes_of_files(cls, table: Mapping[str, Any], files: ProjectFiles) -> Iterator[tuple[str, str]]:
        """Yield why the taught picture is not there."""
        file = table.get("file")
        if isinstance(file, str) and file:
            try:
                find_file(files.folder, file)
            except ValueError as error:
                yield "file", str(error)
