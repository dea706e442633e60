"""The options of the module `codes`, as the project file has them.

    [[flow]]
    module = "codes"
    formats = ["data_matrix"]
    equals = "{data}"

This file imports neither OpenCV nor numpy: the command line checks projects too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator

from workers.modules.codes.formats import FormatName
from workers.modules.measuring_options import not_below_its_min
from workers.modules.options import IS_THRESHOLD, ModuleOptions
from workers.modules.pattern import LONGEST_PATTERN, checked_pattern
from workers.modules.region_options import RegionOption

if TYPE_CHECKING:
    from workers.modules.project_files import ProjectFiles

DATA = "{data}"
MOST_CODES = 200
_COMMON: list[FormatName] = ["qr", "data_matrix", "code128", "ean13"]

_Count = Annotated[int, Field(ge=0, le=MOST_CODES)]


class CodesOptions(ModuleOptions):
    """What a project says about a `codes` module."""

    module: str = "codes"
    name: Annotated[str, Field(min_length=1, max_length=200, description="how messages and `codes` call it")] = "codes"
    formats: Annotated[
        list[FormatName], Field(min_length=1, description="what is read; the fewer, the faster and the surer")
    ] = _COMMON
    region: RegionOption = None
    count_min: Annotated[_Count, IS_THRESHOLD, Field(description="OK if at least so many fit; 0 asks for none")] = 1
    count_max: Annotated[_Count | None, IS_THRESHOLD, Field(description="OK if at most so many fit")] = None
    pattern: Annotated[
        str | None,
        Field(min_length=1, max_length=LONGEST_PATTERN, description="a regular expression that all of the text fits"),
    ] = None
    equals: Annotated[
        str | None,
        Field(min_length=1, max_length=1000, description="what the text is; {data} in it is the request's data"),
    ] = None
    gs1: Annotated[
        bool, Field(description="true: only codes fit that are of GS1, with fields as GS1 says and right check digits")
    ] = False
    others: Annotated[
        Literal["nok", "ignore"], Field(description="codes that are read and do not fit: NOK, or as if not there")
    ] = "nok"
    time_ms: Annotated[
        int, Field(ge=1, le=60_000, description="no further attempt begins that would end later, ms")
    ] = 300

    _counts = field_validator("count_max")(not_below_its_min)
    _pattern = field_validator("pattern")(lambda pattern: pattern if pattern is None else checked_pattern(pattern))

    @property
    def title(self) -> str:
        """The name that the project gives it."""
        return self.name

    @property
    def judges(self) -> bool:
        """Whether what is read makes the result."""
        return self.count_min > 0 or self.count_max is not None

    @property
    def wanted(self) -> int:
        """With so many that fit, nothing more is tried."""
        return max(1, self.count_min)

    @classmethod
    def mistakes_of_files(cls, table: Mapping[str, Any], files: ProjectFiles) -> Iterator[tuple[str, str]]:  # noqa: ARG003 - it names none
        """Yield that the reader is not installed, where it is not."""
        if find_spec("zxingcpp") is None:
            yield "module", "codes needs the package zxing-cpp, which is not installed: pip install 'framemill[codes]'"
