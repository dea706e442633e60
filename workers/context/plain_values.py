"""What expressions and rules see of the values in a context, whatever user code left there: null where nobody can say.

This file imports neither OpenCV nor numpy.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

_MOST_MEMBERS = 10_000
LARGEST = 2**63

Value = Any


class ExpressionError(ValueError):
    """What is wrong with an expression, and at which character, counted from 1."""


def plain(value: Any) -> Value:  # noqa: PLR0911 - a row for each kind of value
    """Return `value` as an expression sees it: numpy's scalars as Python's, what is no number and no JSON as None."""
    kind = type(value)  # isinstance would ask the value itself
    if value is None or kind in {bool, int, str, list, tuple, dict}:
        return value
    if kind is float:
        return value if math.isfinite(value) else None
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, list | tuple | dict):
        return value
    if kind.__module__ == "numpy" and kind.__name__ in {"bool", "bool_"}:
        return bool(value)
    if issubclass(kind, Integral):
        return int(value)
    if issubclass(kind, Real):
        number = float(value)
        return number if math.isfinite(number) else None
    return None


def is_number(value: Value) -> bool:
    """Whether a plain value is a number; true and false count as 1 and 0."""
    return isinstance(value, int | float)


def compared(how: Callable[[Any, Any], bool], left: Value, right: Value) -> bool:
    """Compare plain values: what is null, a list or a dict compares as false, number and text are never equal."""
    if any(not isinstance(value, str | int | float) for value in (left, right)):
        return False
    if is_number(left) is is_number(right):
        return how(left, right)
    return how is operator.ne


def contained(value: Value, holder: Value) -> bool | None:
    """Whether a list has `value`, a dict that key, a text that part; None where nobody can say."""
    if value is None or (isinstance(holder, Sequence | Mapping) and len(holder) > _MOST_MEMBERS):
        return None
    if isinstance(holder, str):
        return value in holder if isinstance(value, str) else False
    if isinstance(holder, dict):
        return isinstance(value, str) and value in holder
    if isinstance(holder, list | tuple):
        return any(compared(operator.eq, value, plain(member)) for member in holder)
    return None


def calculated(how: Callable[[Any, Any], Any], left: Value, right: Value) -> Value:
    """Return what `how` makes of two numbers; None where one is none, or the result cannot be one."""
    if not is_number(left) or not is_number(right):
        return None
    if not (-LARGEST <= left < LARGEST and -LARGEST <= right < LARGEST):
        left, right = _real(left), _real(right)
    try:
        result = how(left, right)
    except (ArithmeticError, TypeError):
        return None
    if isinstance(result, int):
        return result if -LARGEST <= result < LARGEST else None
    return result if math.isfinite(result) else None


def _real(number: float) -> float | None:
    try:
        return float(number)
    except OverflowError:
        return None


def label_of(rectangle: object) -> str | None:
    """Return the label of a rectangle, that of its first class name; None where it has none."""
    names = rectangle.get("classNames") if isinstance(rectangle, dict) else None
    first = names[0] if isinstance(names, list | tuple) and names else None
    label = first.get("label") if isinstance(first, dict) else None
    return label if isinstance(label, str) else None


def rectangles_of(context: Mapping[str, Any]) -> Sequence[Any]:
    """Return the rectangles of a context; none where something else is in their place."""
    rectangles = context.get("detectedRectangles")
    return rectangles if isinstance(rectangles, list | tuple) else ()
