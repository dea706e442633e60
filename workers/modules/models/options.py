"""The options that modules with a trained model share. This file imports neither OpenCV nor numpy, nor onnxruntime."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from workers.modules.measuring_options import not_below_its_min
from workers.modules.options import IS_THRESHOLD, Line, ModuleOptions
from workers.modules.project_files import find_file
from workers.modules.region_options import RegionOption
from workers.settings import CPU

if TYPE_CHECKING:
    from workers.modules.project_files import ProjectFiles

MOST_FOUND = 3000

_Side = Annotated[int, Field(ge=8, le=8192)]
_Name = Annotated[str, Field(min_length=1, max_length=200)]
_PerChannel = Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=1, max_length=3)]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0, le=MOST_FOUND)]

FORMATS = Literal["ultralytics", "ultralytics_nms", "yolov5", "boxes"]


class ModelOptions(ModuleOptions):
    """What a project says about a trained model, whatever that tells."""

    FILES: ClassVar[tuple[str, ...]] = ("file",)

    file: Annotated[
        str | None, Field(min_length=1, max_length=1000, description="the model in the project, an ONNX file")
    ] = None
    server: Annotated[
        str | None,
        Field(
            pattern=r"^https?://[^/\s]",
            max_length=1000,
            description="instead: address of a server that speaks KServe v2",
        ),
    ] = None
    model: Annotated[
        str | None,
        Field(
            pattern=r"^[^/\s?#]+(/versions/[^/\s?#]+)?$", max_length=200, description="the model's name at that server"
        ),
    ] = None
    tensors: Annotated[
        Literal["binary", "json"],
        Field(description="how pictures go to the server: json is slow, for one that takes no binary ones (MLServer)"),
    ] = "binary"
    provider: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=100,
            description="what computes it, one of onnxruntime's execution providers; the setting model_provider if left"
            " out",
        ),
    ] = None
    labels: Annotated[
        list[_Name] | None,
        Field(
            min_length=1, max_length=10_000, description="names of its classes, from number 0; the model's if left out"
        ),
    ] = None
    region: RegionOption = None
    shrink: Annotated[
        Literal["smooth", "plain"] | None,
        Field(
            description="how a picture becomes smaller: all of its pixels count, or the nearest four; smooth of a"
            " classifier, else plain, as models are trained"
        ),
    ] = None
    size_px: Annotated[
        list[_Side] | None,
        Field(min_length=2, max_length=2, description="[width, height] that it is shown; the model's if left out"),
    ] = None
    fit: Annotated[
        Literal["letterbox", "stretch", "crop"] | None,
        Field(description="whole with bars beside it; whole and distorted; or the middle; as the model was trained"),
    ] = None
    channels: Annotated[Literal["rgb", "bgr"], Field(description="the order of its colours")] = "rgb"
    white: Annotated[
        float | None,
        Field(
            gt=0,
            le=65535,
            allow_inf_nan=False,
            description="what level 255 is to it, before mean and std; 1 if left out, or 255 where it takes uint8",
        ),
    ] = None
    mean: Annotated[_PerChannel | None, Field(description="taken away, in its order of channels or one for all")] = None
    std: Annotated[_PerChannel | None, Field(description="divided by, in its order of channels or one for all")] = None
    ok_labels: Annotated[
        list[_Name] | None,
        Field(max_length=10_000, description="OK if nothing but these is found; no verdict if left out"),
    ] = None

    @model_validator(mode="after")
    def _is_here_or_there(self) -> Self:
        if (self.file is None) == (self.server is None):
            has = "has neither file nor server" if self.file is None else "has file and server"
            msg = f"{has}; expected file, a model of the project, or server and model"
            raise ValueError(msg)
        if (self.model is None) != (self.server is None):
            msg = (
                "has server or model alone; expected both: the server's address, and the name that it has for the model"
            )
            raise ValueError(msg)
        return self

    @field_validator("tensors")
    @classmethod
    def _go_to_a_server(cls, tensors: str, info: ValidationInfo) -> str:
        if tensors == "json" and info.data.get("server") is None:
            msg = "is json without server: a model of the project needs none; expected server and model"
            raise ValueError(msg)
        return tensors

    @field_validator("std")
    @classmethod
    def _divides(cls, std: list[float] | None) -> list[float] | None:
        if std is not None and min(std) <= 0:
            msg = f"is {std}, expected numbers above 0"
            raise ValueError(msg)
        return std

    @field_validator("mean", "std")
    @classmethod
    def _is_for_one_or_three(cls, each: list[float] | None) -> list[float] | None:
        if each is not None and len(each) == 2:
            msg = f"has 2 numbers ({each}), expected 1, or 3 in the order of its channels"
            raise ValueError(msg)
        return each

    @property
    def alone(self) -> str:
        """Why a process that has loaded it must not be forked: what computes elsewhere keeps threads and devices."""
        here = self.server is None and self.computed_by != CPU
        return f"{self.title} is computed by {self.computed_by}" if here else ""

    @property
    def computed_by(self) -> str:
        """The execution provider of onnxruntime."""
        return self.provider or CPU

    def with_provider(self, provider: str) -> Self:
        """Return them with `provider` where they leave it open."""
        return self if self.provider else self.model_copy(update={"provider": provider})

    @classmethod
    def mistakes_of_files(cls, table: Mapping[str, Any], files: ProjectFiles) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the model's file, and how to install what runs it."""
        if table.get("server") is None and importlib.util.find_spec("onnxruntime") is None:
            yield "module", "needs onnxruntime, which is not installed: pip install 'framemill[models]'"
        named = table.get("file")
        if isinstance(named, str) and named:
            try:
                find_file(files.folder, named)
            except ValueError as error:
                yield "file", str(error)


class FindingOptions(ModelOptions):
    """What a project says about a model that finds things in a picture: which of them count, and in tiles or whole."""

    min_confidence: Annotated[
        _Share, IS_THRESHOLD, Field(description="how sure it must be, 0 to 1; what is less is not found")
    ] = 0.25
    overlap: Annotated[
        _Share | None,
        Field(
            description="share of their common area by which two of a label may lie over each other; 0.5 if left out,"
            " or as a model has left them that chooses by itself (ultralytics_nms)"
        ),
    ] = None
    only_labels: Annotated[
        list[_Name] | None, Field(min_length=1, max_length=10_000, description="what else it finds is left out")
    ] = None
    tile_px: Annotated[
        int | None,
        Field(ge=32, le=8192, description="side of the tiles in which a large picture is looked at; whole if left out"),
    ] = None
    tile_overlap_px: Annotated[
        int, Field(ge=0, le=4096, description="by how much tiles lie over each other: more than the smaller objects")
    ] = 64
    whole_too: Annotated[bool, Field(description="with tiles: also whole, for what is larger than a tile")] = False
    most: Annotated[int, Field(ge=1, le=MOST_FOUND, description="the surest so many are found")] = 300
    count_min: Annotated[_Count | None, IS_THRESHOLD, Field(description="OK if there are at least so many")] = None
    count_max: Annotated[_Count | None, IS_THRESHOLD, Field(description="OK if there are at most so many")] = None

    @property
    def line(self) -> Line | None:
        """See ModuleOptions: where nothing may be found, what is found surest decides."""
        nothing_is_ok = not self.count_min and (self.count_max == 0 or self.ok_labels == [])
        return Line("min_confidence", above=True) if nothing_is_ok else None

    _counts = field_validator("count_max")(not_below_its_min)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.tile_px is not None and self.tile_overlap_px > self.tile_px // 2:
            msg = f"has tile_overlap_px = {self.tile_overlap_px}, expected at most half of tile_px = {self.tile_px}"
            raise ValueError(msg)
        if self.count_max is not None and self.count_max >= self.most:
            msg = f"has count_max = {self.count_max}, which most = {self.most} hides; expected a larger most"
            raise ValueError(msg)
        return self

    @field_validator("whole_too")
    @classmethod
    def _has_tiles(cls, whole: bool, info: ValidationInfo) -> bool:
        if whole and info.data.get("tile_px") is None:
            msg = "is true without tile_px: it is looked at whole as it is"
            raise ValueError(msg)
        return whole

    @property
    def judges(self) -> bool:
        """Whether it makes a result."""
        return self.ok_labels is not None or self.count_min is not None or self.count_max is not None

    def is_ok(self, labels: list[str]) -> bool:
        """Tell whether a picture is good in which these were found."""
        strange = self.ok_labels is not None and any(label not in self.ok_labels for label in labels)
        least, most = self.count_min or 0, self.count_max
        return not strange and least <= len(labels) and (most is None or len(labels) <= most)
