"""What a project lets operators set while it runs, `[[input]]`, and what its flow finds of it.

    [[input]]
    name = "limit"                       # context["operatorInput"]["limit"]
    kind = "number"                      # text, number, select or switch
    min = 0.1
    max = 2.0
    unit = "mm"
    default = 0.8

Values come with each frame, so that it and its record are of one moment. What a version does not declare, or would not
take, is as if nobody had set it: the default counts. This file imports neither OpenCV nor numpy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from workers.errors import ProjectInvalid
from workers.flow.mistakes import Mistakes, tables_of
from workers.pool.job import MAX_INPUT_BYTES
from workers.text import shown

if TYPE_CHECKING:
    from typing import Self

Value = str | int | float | bool

MOST_INPUTS = 32
_LARGEST = 1e15  # whole numbers are exact up to there, and JSON can hold them
_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
_Number = Annotated[int | float, Field(ge=-1e12, le=1e12, allow_inf_nan=False)]


class Input(BaseModel):
    """What all kinds have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, Field(max_length=60, pattern=_NAME, description="its key in context['operatorInput']")]
    kind: Annotated[str, Field(description="what kind of input it is")]
    label: Annotated[str, Field(max_length=120, description="how the page calls it; its name if left out")] = ""
    help: Annotated[str, Field(max_length=500, description="a line below it on the page")] = ""

    @property
    def title(self) -> str:
        """How people call it."""
        return self.label or self.name

    def initial(self) -> Value:
        """Return what holds while nobody has set it."""
        raise NotImplementedError

    def taken(self, value: object) -> Value:
        """Return `value` as the flow is to find it; raises ValueError, which says what was expected."""
        raise NotImplementedError

    def of_text(self, text: str) -> object:
        """Return what a form holds, for `taken`."""
        return text

    @model_validator(mode="after")
    def _takes_its_default(self) -> Self:
        if self.name.startswith("__"):
            msg = f"name: {self.name} begins with two underscores, which Python keeps for itself"
            raise ValueError(msg)
        try:
            self.taken(self.initial())
        except ValueError as error:
            msg = f"default: {error}"
            raise ValueError(msg) from None
        return self


def _is_not(value: object, expected: str) -> ValueError:
    return ValueError(f"is {shown(value)}, expected {expected}")


class TextInput(Input):
    """A line of text."""

    kind: Literal["text"]
    default: Annotated[str, Field(description="what holds while nobody has set it")] = ""
    max_length: Annotated[int, Field(ge=1, le=1000, description="so many characters at most")] = 200
    pattern: Annotated[
        str | None, Field(min_length=1, max_length=200, description="a regular expression that all of the text fits")
    ] = None

    @field_validator("pattern")
    @classmethod
    def _can_be_read(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{shown(pattern)} is no regular expression: {error}") from None
        return pattern

    def initial(self) -> Value:
        """See Input."""
        return self.default

    def taken(self, value: object) -> Value:
        """See Input."""
        if not isinstance(value, str):
            raise _is_not(value, "text")
        if len(value) > self.max_length:
            raise ValueError(f"has {len(value)} characters, expected {self.max_length} at most")
        if any(not char.isprintable() for char in value):
            raise ValueError("has characters that cannot be shown, expected a line of text")
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise ValueError(f"is {shown(value)}, expected what fits {self.pattern}")
        return value


class NumberInput(Input):
    """A number; a whole one where all that is said of it is whole."""

    kind: Literal["number"]
    default: Annotated[_Number, Field(description="what holds while nobody has set it")]
    min: Annotated[_Number | None, Field(description="the smallest that is taken")] = None
    max: Annotated[_Number | None, Field(description="the largest that is taken")] = None
    step: Annotated[
        _Number | None, Field(gt=0, description="only whole steps from min on are taken, from 0 where there is none")
    ] = None
    unit: Annotated[str, Field(max_length=20, description="what is behind it on the page")] = ""

    @property
    def is_whole(self) -> bool:
        """Whether it counts."""
        return all(
            isinstance(number, int) for number in (self.default, self.min, self.max, self.step) if number is not None
        )

    def initial(self) -> Value:
        """See Input."""
        return self.default

    def taken(self, value: object) -> Value:
        """See Input."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
            raise _is_not(value, "a number")
        if (self.min is not None and value < self.min) or (self.max is not None and value > self.max):
            raise ValueError(f"is {value:.12g}, expected {self._range()}")
        if self.is_whole and value != int(value):
            raise ValueError(f"is {value:.12g}, expected a whole number")
        if self.step:
            steps = (value - (self.min or 0)) / self.step
            if abs(steps - round(steps)) > 1e-6:
                raise ValueError(f"is {value:.12g}, expected steps of {self.step:.12g} from {self.min or 0:.12g} on")
        return int(value) if self.is_whole else float(value)

    def of_text(self, text: str) -> object:
        """See Input; a comma is a point where people write it so."""
        plain = text.strip().replace(",", ".")
        if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", plain, re.ASCII):
            return text
        return int(plain) if re.fullmatch(r"[+-]?\d{1,18}", plain, re.ASCII) else float(plain)

    def _range(self) -> str:
        if self.min is None:
            return f"{self.max:.12g} at most"
        return f"{self.min:.12g} at least" if self.max is None else f"{self.min:.12g} to {self.max:.12g}"


class SelectInput(Input):
    """One of some choices."""

    kind: Literal["select"]
    choices: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=120)]],
        Field(min_length=1, max_length=100, description="what can be chosen, each a text"),
    ]
    default: Annotated[str | None, Field(description="what holds while nobody has set it; the first if left out")] = (
        None
    )

    def initial(self) -> Value:
        """See Input."""
        return self.choices[0] if self.default is None else self.default

    def taken(self, value: object) -> Value:
        """See Input."""
        if not isinstance(value, str) or value not in self.choices:
            raise _is_not(value, f"one of {', '.join(self.choices)}")
        return value


class SwitchInput(Input):
    """On or off."""

    kind: Literal["switch"]
    default: Annotated[bool, Field(description="what holds while nobody has set it")] = False

    def initial(self) -> Value:
        """See Input."""
        return self.default

    def taken(self, value: object) -> Value:
        """See Input."""
        if not isinstance(value, bool):
            raise _is_not(value, "true or false")
        return value

    def of_text(self, text: str) -> object:
        """See Input."""
        return {"true": True, "on": True, "false": False, "off": False, "": False}.get(text, text)


KINDS: Mapping[str, type[Input]] = {
    "text": TextInput,
    "number": NumberInput,
    "select": SelectInput,
    "switch": SwitchInput,
}


def read_inputs(tables: object, mistakes: Mistakes) -> tuple[Input, ...]:
    """Read the tables [[input]] of a project; what is wrong is noted."""
    if not isinstance(tables, list):
        mistakes.add("input", f"is {shown(tables)}, expected tables [[input]], with two brackets")
        return ()
    if len(tables) > MOST_INPUTS:
        mistakes.add("input", f"there are {len(tables)}, expected {MOST_INPUTS} at most")
        return ()
    found: list[Input] = []
    for index, table in enumerate(tables):
        where = f"input[{index}]"
        kind = table.get("kind") if isinstance(table, dict) else None
        if isinstance(table, dict) and (not isinstance(kind, str) or kind not in KINDS):
            what = "is missing" if kind is None else f"there is no kind {shown(kind)}"
            mistakes.add(f"{where}.kind", f"{what}; known are {', '.join(KINDS)}")
            continue
        one = mistakes.valid(KINDS[kind] if kind else Input, table, where)
        if one and any(one.name == other.name for other in found):
            mistakes.add(f"{where}.name", f"there is another input {one.name} before it")
        elif one:
            found.append(one)
    if (size := len(orjson.dumps(defaults(found)))) > MAX_INPUT_BYTES:
        mistakes.add("input", f"all defaults have {size} bytes as JSON, expected {MAX_INPUT_BYTES} at most")
    return tuple(found)


def defaults(inputs: Sequence[Input]) -> dict[str, Value]:
    """Return what holds while nobody has set anything."""
    return {one.name: one.initial() for one in inputs}


def as_declared(inputs: Sequence[Input], values: Mapping[str, object]) -> tuple[dict[str, Value], dict[str, str]]:
    """Return those of `values` that `inputs` take, and why each of the others is not taken."""
    by_name = {one.name: one for one in inputs}
    taken: dict[str, Value] = {}
    refused: dict[str, str] = {}
    for name, value in values.items():
        if name not in by_name:
            known = f"known are {', '.join(by_name)}" if by_name else "the project declares none"
            refused[name] = f"there is no input of this name; {known}"
            continue
        try:
            taken[name] = by_name[name].taken(value)
        except ValueError as error:
            refused[name] = f"{error}"
    return taken, refused


def packed(inputs: Sequence[Input], values: Mapping[str, object]) -> bytes:
    """Return `values` as they go with a frame; raises ProjectInvalid where `inputs` do not take them."""
    taken, refused = as_declared(inputs, values)
    if refused:
        raise ProjectInvalid("\n".join(f"input {name}: {why}" for name, why in refused.items()))
    return orjson.dumps(taken)


def inputs_of(folder: Path) -> tuple[Input, ...]:
    """Return what the project in `folder` declares, which is a copy without mistakes; raises ProjectInvalid."""
    return read_inputs(tables_of(folder / "framemill.toml").get("input", []), Mistakes())


class OperatorInput:
    """What the flow of one version finds in `context["operatorInput"]`: values that were set, else defaults."""

    def __init__(self, inputs: Sequence[Input]) -> None:
        self._inputs = tuple(inputs)
        self._packed = b""
        self._known = defaults(inputs)

    def of(self, packed: bytes) -> dict[str, Any]:
        """Return a dict of the frame's own; `packed` is what was set when it came, an object of JSON, or nothing."""
        if not self._inputs:
            return {}
        if packed != self._packed:
            values = orjson.loads(packed) if packed else {}
            self._known = defaults(self._inputs) | as_declared(self._inputs, values)[0]
            self._packed = packed
        return dict(self._known)
