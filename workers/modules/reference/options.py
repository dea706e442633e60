"""The options of the module `reference`, as the project file has them.

    [[flow]]
    module = "reference"
    image = "references/{data}.png"

This file imports neither OpenCV nor numpy: the command line checks projects too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, field_validator

from workers.modules.options import IS_THRESHOLD, ModuleOptions
from workers.modules.project_files import find_file

if TYPE_CHECKING:
    from workers.modules.project_files import ProjectFiles

DATA = "{data}"


class ReferenceOptions(ModuleOptions):
    """What a project says about a `reference` module. The defaults suit printed and machined parts."""

    FILES: ClassVar[tuple[str, ...]] = ("image",)

    module: Annotated[str, Field(description="what kind of module it is")] = "reference"
    image: Annotated[
        str,
        Field(min_length=1, max_length=1000, description="golden image in the project; {data} is the request's data"),
    ]
    edge_jitter_px: Annotated[
        int,
        IS_THRESHOLD,
        Field(ge=1, le=16, description="how far an edge may lie beside the golden one, once the part is aligned"),
    ] = 3
    shift_px: Annotated[
        int,
        Field(
            ge=0, le=8, description="how far the part, or a piece of it, may lie beside its place; 0 is no alignment"
        ),
    ] = 6
    contrast_levels: Annotated[
        int,
        IS_THRESHOLD,
        Field(ge=4, le=127, description="grey levels of 255 by which a defect differs from the golden image"),
    ] = 32
    brightness_percent: Annotated[
        int,
        IS_THRESHOLD,
        Field(ge=0, le=100, description="how much brighter or darker than the golden image a good frame may be"),
    ] = 30
    min_area_px: Annotated[
        int,
        IS_THRESHOLD,
        Field(ge=1, le=1_000_000, description="area of the smallest defect, in pixels beyond the edge jitter"),
    ] = 4

    within_jitter: Annotated[
        bool,
        Field(description="also finds what the jitter would hide: short bites and bumps at an edge, gaps, bridges"),
    ] = True

    @field_validator("image")
    @classmethod
    def _stays_inside(cls, image: str) -> str:
        path = PurePosixPath(image)
        if path.is_absolute() or ".." in path.parts or "\\" in image or "\0" in image:
            msg = f"{image!r} may lie outside of the project; paths are relative to its folder, with / between names"
            raise ValueError(msg)
        return image

    @classmethod
    def mistakes_of_files(cls, table: Mapping[str, Any], files: ProjectFiles) -> Iterator[tuple[str, str]]:
        """Yield why the golden image is not there; one that the data of a request names is looked for later."""
        image = table.get("image")
        if isinstance(image, str) and DATA not in image:
            try:
                find_file(files.folder, image)
            except ValueError as error:
                yield "image", str(error)
