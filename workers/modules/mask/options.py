"""The options of the module `mask`, as the project file has them.

    [[flow]]
    module = "mask"
    keep = [[[100, 100], [500, 100], [500, 400], [100, 400]]]

This file imports neither OpenCV nor numpy: the command line checks projects too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, model_validator

from workers.modules.options import ModuleOptions
from workers.modules.project_files import find_file

if TYPE_CHECKING:
    from workers.modules.project_files import ProjectFiles

Corner = Annotated[list[float], Field(min_length=2, max_length=2)]
Polygons = list[Annotated[list[Corner], Field(min_length=3, max_length=1000)]]


class MaskOptions(ModuleOptions):
    """What a project says about a `mask` module."""

    FILES: ClassVar[tuple[str, ...]] = ("image",)

    keep: Annotated[Polygons, Field(description="polygons that count, corners as [x, y] in px", default_factory=list)]
    drop: Annotated[Polygons, Field(description="polygons that do not, within those", default_factory=list)]
    image: Annotated[str, Field(max_length=1000, description="in their place: an image, its black does not count")] = ""
    fill: Annotated[int, Field(ge=0, le=255, description="the level that is painted there")] = 0

    @model_validator(mode="after")
    def _says_something(self) -> MaskOptions:
        if bool(self.image) == bool(self.keep or self.drop):
            msg = "expected either polygons to keep or to drop, or an image"
            raise ValueError(msg)
        return self

    @classmethod
    def mistakes_of_files(cls, table: Mapping[str, Any], files: ProjectFiles) -> Iterator[tuple[str, str]]:
        """Yield why the image is not there."""
        image = table.get("image")
        if isinstance(image, str) and image:
            try:
                find_file(files.folder, image)
            except ValueError as error:
                yield "image", str(error)
