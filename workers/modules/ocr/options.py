"""The options of the module `ocr`: what is read where, and what it must say.

    [[flow]]
    module = "ocr"

    [[flow.texts]]
    name = "best before"
    box = { x = 420, y = 300, width = 360, height = 60 }
    date = "DD.MM.YYYY"
    days_min = 30

This file imports neither OpenCV nor numpy, nor onnxruntime: the command line checks projects too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from workers.modules.measuring_options import not_below_its_min
from workers.modules.ocr.dates import LONGEST_FORMAT, checked_format, last_day
from workers.modules.ocr.filled import checked_template
from workers.modules.options import ModuleOptions
from workers.modules.pattern import LONGEST_PATTERN, checked_pattern
from workers.modules.project_files import find_file

if TYPE_CHECKING:
    from workers.modules.project_files import ProjectFiles

TODAY = "today"
MOST_TEXTS = 50
MODEL = "PP-OCRv6_rec_small.onnx"
_FARTHEST_PX = 100_000
_FARTHEST_DAYS = 100_000

_Place = Annotated[int, Field(ge=0, le=_FARTHEST_PX)]
_Size = Annotated[int, Field(ge=1, le=_FARTHEST_PX)]
_Days = Annotated[int, Field(ge=-_FARTHEST_DAYS, le=_FARTHEST_DAYS)]


class BoxOptions(BaseModel):
    """A box in px of the image that the module sees, turned about its middle."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    x: Annotated[_Place, Field(description="its left edge before it is turned, px")]
    y: Annotated[_Place, Field(description="its upper edge before it is turned, px")]
    width: Annotated[_Size, Field(description="how long it is along the lines, px")]
    height: Annotated[_Size, Field(description="how high it is, px")]
    angle: Annotated[
        float,
        Field(ge=-180, le=180, allow_inf_nan=False, description="by how much lines are turned clockwise, degrees"),
    ] = 0.0


class TextOptions(BaseModel):
    """What is read in one box, and what it must say."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, Field(min_length=1, max_length=200, description="how messages and values call it")]
    box: Annotated[
        BoxOptions | None, Field(description="{ x, y, width, height, angle } in px; all of the image if left out")
    ] = None
    lines: Annotated[
        int | None, Field(ge=1, le=40, description="how many lines the box has; as many as are found if left out")
    ] = None
    ink: Annotated[
        Literal["auto", "dark", "light"],
        Field(description="whether the print is darker or lighter than what is around"),
    ] = "auto"
    upside_down: Annotated[
        Literal["no", "try"], Field(description="try: it is read the other way round too, and the surer one counts")
    ] = "no"
    characters: Annotated[
        str | None,
        Field(
            min_length=1, max_length=2000, description="what can be there; Latin letters, digits and signs if left out"
        ),
    ] = None
    equals: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=1000,
            description="what the text is; an expression in braces is filled in: LOT {data}",
        ),
    ] = None
    pattern: Annotated[
        str | None,
        Field(min_length=1, max_length=LONGEST_PATTERN, description="a regular expression that all of the text fits"),
    ] = None
    date: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=LONGEST_FORMAT,
            description="how a date is printed in it: DD.MM.YYYY, MMM YY, YYDDD",
        ),
    ] = None
    days_min: Annotated[_Days | None, Field(description="the date is at least so many days after days_from")] = None
    days_max: Annotated[_Days | None, Field(description="the date is at most so many days after days_from")] = None
    days_from: Annotated[
        str,
        Field(
            min_length=1,
            max_length=1000,
            description="today, or a date, YYYY-MM-DD, or an expression in braces that gives one",
        ),
    ] = TODAY
    min_confidence: Annotated[
        float,
        Field(ge=0, le=1, allow_inf_nan=False, description="how sure the least sure character must be, 0 to 1"),
    ] = 0.3
    confusable: Annotated[
        list[Annotated[str, Field(min_length=2, max_length=100)]] | None,
        Field(max_length=100, description="groups of characters that count as the same; ours if left out, [] for none"),
    ] = None

    _days = field_validator("days_max")(not_below_its_min)
    _pattern = field_validator("pattern")(lambda pattern: pattern if pattern is None else checked_pattern(pattern))
    _templates = field_validator("equals", "days_from")(lambda text: text if text is None else checked_template(text))
    _date = field_validator("date")(lambda date: date if date is None else checked_format(date))

    @field_validator("days_from")
    @classmethod
    def _is_a_day(cls, since: str) -> str:
        if since != TODAY and "{" not in since:
            try:
                last_day(since)
            except ValueError:
                msg = f"is {since!r}, expected 'today', a date as YYYY-MM-DD, or an expression in braces"
                raise ValueError(msg) from None
        return since

    @model_validator(mode="after")
    def _days_are_of_a_date(self) -> Self:
        if self.date is None and (self.days_min is not None or self.days_max is not None):
            msg = "has days_min or days_max and no date; expected one, such as date = 'DD.MM.YYYY'"
            raise ValueError(msg)
        return self

    @property
    def judges(self) -> bool:
        """Whether it asks for something."""
        return self.equals is not None or self.pattern is not None or self.date is not None


class OcrOptions(ModuleOptions):
    """What a project says about an `ocr` module."""

    FILES: ClassVar[tuple[str, ...]] = ("file",)

    module: Annotated[str, Field(description="what kind of module it is")] = "ocr"
    name: Annotated[str, Field(min_length=1, max_length=200, description="how messages and `ocr` call it")] = "ocr"
    texts: Annotated[
        list[TextOptions], Field(min_length=1, max_length=MOST_TEXTS, description="what is read, in this order")
    ]
    file: Annotated[
        str | None,
        Field(min_length=1, max_length=1000, description="another recognition model of PaddleOCR in the project, ONNX"),
    ] = None
    time_ms: Annotated[
        int, Field(ge=1, le=60_000, description="no further attempt at a text begins after so many ms of the module")
    ] = 500

    @field_validator("texts")
    @classmethod
    def _have_names_of_their_own(cls, texts: list[TextOptions]) -> list[TextOptions]:
        names = [text.name for text in texts]
        if twice := next((name for name in names if names.count(name) > 1), None):
            msg = f"has two texts of the name {twice!r}; expected a name for each"
            raise ValueError(msg)
        return texts

    @property
    def title(self) -> str:
        """The name that the project gives it."""
        return self.name

    @classmethod
    def mistakes_of_files(cls, table: Mapping[str, Any], files: ProjectFiles) -> Iterator[tuple[str, str]]:
        """Yield what is not installed, and what is wrong with the model's file."""
        named = table.get("file")
        missing = [] if find_spec("onnxruntime") else ["onnxruntime"]
        if named is None and model_in_wheel() is None:
            missing.append("the model of rapidocr")
        if missing:
            are = "which are" if len(missing) > 1 else "which is"
            yield "module", f"ocr needs {' and '.join(missing)}, {are} not installed: pip install 'framemill[ocr]'"
        if isinstance(named, str) and named:
            try:
                find_file(files.folder, named)
            except ValueError as error:
                yield "file", str(error)


def model_in_wheel() -> Path | None:
    """Return where the installed rapidocr has its recognition model; it is not imported."""
    spec = find_spec("rapidocr")
    folders = spec.submodule_search_locations if spec is not None else None
    found = (Path(folder) / "models" / MODEL for folder in folders or ())
    return next((path for path in found if path.is_file()), None)
