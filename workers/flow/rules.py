"""The rules that a verdict is made of, each a kind with its options: what it measures, and whether it holds.

Null is never right: what has no number, or is not there, holds no rule. This file imports neither OpenCV nor numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from workers.context.expression import expression
from workers.context.plain_values import LARGEST, Value, is_number, label_of, plain, rectangles_of
from workers.modules.only_if.options import ExpressionText

# that an answer tells of one rule
MOST_VALUES = 100
MOST_CHARACTERS = 200

Scope = Literal["any", "every", "together"]
Judged = tuple[bool, Value]
"""Whether a rule holds, and what it found: a number, null, or a list of them."""


def _labels(given: object) -> object:
    return [given] if isinstance(given, str) else given


_Label = Annotated[str, Field(min_length=1, max_length=200)]
_Labels = Annotated[
    list[_Label],
    Field(min_length=1, max_length=100),
    BeforeValidator(_labels, json_schema_input_type=_Label | Annotated[list[_Label], Field(min_length=1)]),
    Field(description="label of the rectangles that count, or several"),
]
_Px = Annotated[float | None, Field(ge=0, allow_inf_nan=False)]


class Rule(BaseModel):
    """What all rules have."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    rule: Annotated[str, Field(description="what kind of rule it is")]
    name: Annotated[str | None, Field(min_length=1, max_length=200, description="how answers call it")] = None

    @property
    def title(self) -> str:
        """How answers call it."""
        return self.name or self.unnamed

    @property
    def unnamed(self) -> str:
        """How answers call it where the project gives it no name."""
        return self.rule

    def judge(self, context: Mapping[str, Any]) -> Judged:
        """Look at a context; groups never do."""
        raise NotImplementedError


class Limits(Rule):
    """A rule whose value lies between `min` and `max`; the subclass says of what kind they are."""

    def limits(self) -> tuple[float | None, float | None]:
        """Return the least and the most."""
        raise NotImplementedError

    @classmethod
    def limit_keys(cls) -> list[str]:
        """Return the keys of which a project gives at least one."""
        return [name for name in cls.model_fields if name.startswith(("min", "max"))]

    @model_validator(mode="after")
    def _has_limits(self) -> Self:
        least, most = self.limits()
        if least is None and most is None:
            msg = f"has no limit, expected {' or '.join(self.limit_keys())}, or both"
            raise ValueError(msg)
        if least is not None and most is not None and least > most:
            msg = f"its least, {_told(least)}, is more than its most, {_told(most)}"
            raise ValueError(msg)
        return self

    def between(self, value: Value) -> bool:
        """Whether a number lies within; null never does."""
        least, most = self.limits()
        return is_number(value) and (least is None or value >= least) and (most is None or value <= most)

    def _range(self) -> str:
        least, most = self.limits()
        if least == most:
            return _told(least)
        if least is not None and most is not None:
            return f"{_told(least)} to {_told(most)}"
        return f"at least {_told(least)}" if most is None else f"at most {_told(most)}"

    def scoped(self, scope: Scope, values: Sequence[Value], whole: Callable[[Sequence[Value]], Value]) -> Judged:
        """Judge `values` one by one, or what `whole` makes of them."""
        if scope == "together":
            value = None if None in values else whole(values)
            return self.between(value), value
        within = map(self.between, values)
        return (any(within) if scope == "any" else all(within)), list(values[:MOST_VALUES])


class Count(Limits):
    """How many rectangles there are."""

    label: _Labels | None = None
    min: Annotated[int | None, Field(ge=0, description="the fewest")] = None
    max: Annotated[int | None, Field(ge=0, description="the most")] = None
    scope: Annotated[Scope, Field(description="together: all labels in one sum; any, every: each label for itself")] = (
        "together"
    )

    def limits(self) -> tuple[float | None, float | None]:
        return self.min, self.max

    @property
    def unnamed(self) -> str:
        return f"count of {_said(self.label)}: {self._range()}"

    def judge(self, context: Mapping[str, Any]) -> Judged:
        found = [label_of(each) for each in rectangles_of(context)]
        counts = [found.count(label) for label in self.label] if self.label else [len(found)]
        return self.scoped(self.scope, counts, sum)


class Area(Limits):
    """How large rectangles are."""

    label: _Labels | None = None
    min_px: Annotated[_Px, Field(description="the smallest area, in pixels")] = None
    max_px: Annotated[_Px, Field(description="the largest area, in pixels")] = None
    scope: Annotated[
        Scope, Field(description="together: the sum of all areas; any, every: each rectangle for itself")
    ] = "every"

    def limits(self) -> tuple[float | None, float | None]:
        return self.min_px, self.max_px

    @property
    def unnamed(self) -> str:
        return f"area of {_said(self.label)} in px, {self.scope}: {self._range()}"

    def judge(self, context: Mapping[str, Any]) -> Judged:
        return self.scoped(self.scope, _numbers("area", self.label, context), sum)


class Score(Limits):
    """How sure modules are: the score of the frame or, with a label, the confidence of rectangles."""

    label: _Labels | None = None
    min: Annotated[float | None, Field(allow_inf_nan=False, description="the least")] = None
    max: Annotated[float | None, Field(allow_inf_nan=False, description="the most")] = None
    scope: Annotated[
        Scope, Field(description="with a label: together is the mean; any, every: each rectangle for itself")
    ] = "every"

    def limits(self) -> tuple[float | None, float | None]:
        return self.min, self.max

    @model_validator(mode="after")
    def _scope_has_labels(self) -> Self:
        if self.label is None and "scope" in self.model_fields_set:
            msg = "has a scope but no label: the score of the frame is one number"
            raise ValueError(msg)
        return self

    @property
    def unnamed(self) -> str:
        if self.label is None:
            return f"score: {self._range()}"
        return f"score of {_said(self.label)}, {self.scope}: {self._range()}"

    def judge(self, context: Mapping[str, Any]) -> Judged:
        if self.label is None:
            return self.scoped("together", [_number(context.get("score"))], sum)
        return self.scoped(self.scope, _numbers("confidence", self.label, context), _mean)


class Present(Rule):
    """Whether rectangles with a label are there, or are not."""

    label: _Labels
    present: Annotated[bool, Field(description="false: it must not be there")] = True
    scope: Annotated[
        Scope, Field(description="every, any: each label for itself; together: the labels count as one")
    ] = "every"

    @property
    def unnamed(self) -> str:
        return f"{_said(self.label)} {'present' if self.present else 'absent'}"

    def judge(self, context: Mapping[str, Any]) -> Judged:
        found = [label_of(each) for each in rectangles_of(context)]
        counts = [found.count(label) for label in self.label]
        right = [(count > 0) is self.present for count in ([sum(counts)] if self.scope == "together" else counts)]
        holds = any(right) if self.scope == "any" else all(right)
        return holds, sum(counts)


class Holds(Rule):
    """Whether an expression over the context holds."""

    expression: ExpressionText

    @property
    def unnamed(self) -> str:
        return self.expression

    def judge(self, context: Mapping[str, Any]) -> Judged:
        value = expression(self.expression).value(context)
        return bool(value), _brief(value)


class Group(Rule):
    """Several rules as one: all of them (`and`) or at least one (`or`)."""

    rules: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=100, description="its rules")]


KINDS: Mapping[str, type[Rule]] = {
    "count": Count,
    "area": Area,
    "score": Score,
    "present": Present,
    "expression": Holds,
    "and": Group,
    "or": Group,
}


def _said(labels: Sequence[str] | None) -> str:
    return ", ".join(labels) if labels else "all"


def _told(number: float | None) -> str:
    return f"{number:.12g}"


def _brief(value: Value) -> Value:
    """Return what an answer tells of a value: a list or a number that JSON has not is null."""
    if isinstance(value, str):
        return value[:MOST_CHARACTERS]
    return value if is_number(value) and -LARGEST <= value < LARGEST else None


def _number(value: object) -> Value:
    number = plain(value)
    return number if is_number(number) else None


def _numbers(key: str, labels: Sequence[str] | None, context: Mapping[str, Any]) -> list[Value]:
    """Return what the rectangles with these labels, or all, have under `key`; None where it is no number."""
    meant = [each for each in rectangles_of(context) if labels is None or label_of(each) in labels]
    return [_number(each.get(key)) if isinstance(each, dict) else None for each in meant]


def _mean(values: Sequence[Value]) -> Value:
    return sum(values) / len(values) if values else None
