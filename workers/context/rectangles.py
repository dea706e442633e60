"""Filling in rectangles that user code left half done, so that every one in an answer has all fields of the contract.

A rectangle needs `x`, `y`, `width` and `height`; everything else has a stand-in:

    id           the next number that no other rectangle of the list has
    rotate       0.0
    area         width * height
    confidence   that of the first class name, or 1.0
    classNames   its own `label`, a text or the number of a class, where it has one; in each of them: id 0, label the id
                 as text, confidence that of the rectangle, color and color_bgr each from the other, or one of eight by
                 the id
    source       the module that made it, its type (CODE for user code), modelId 0

A field that is there must have its type: a wrong one is an error, and its rectangle or class name is left out.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from functools import partial
from numbers import Integral, Real
from typing import Any, NoReturn, TypeVar, cast

from workers.context.values import same
from workers.text import shown

Rectangle = dict[str, Any]
_Value = TypeVar("_Value")


class _RectangleError(Exception):
    """What is wrong with a rectangle; the text goes on from its name."""


SOURCE_TYPES = ("UNSUPERVISED", "SUPERVISED", "DETECTOR", "CLASSIFIER", "CODE", "OCR")
_COLOR = re.compile("#[0-9a-fA-F]{6}")
_FARTHEST_PX = 2**31  # what is beyond cannot be meant, and no drawing could hold it
# told apart by colour-blind people too: Okabe and Ito, "Color Universal Design" (2008), red first as the vendor draws
_PALETTE = ("#ff0000", "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#f0e442", "#999999")


def complete_rectangles(
    rectangles: Sequence[Any], module_id: int, source_type: str, note: Callable[[str], None]
) -> list[Rectangle]:
    """Return `rectangles` with all fields, without those that cannot be completed; `note` is told about these.

    The dicts given stay as they are: complete ones are passed on, the others copied. `module_id` and `source_type`
    are those of the module that made what lacks a `source`.
    """
    whole: list[Rectangle] = []
    free_id = 0
    for index, rectangle in enumerate(rectangles):
        if not isinstance(rectangle, dict):
            note(f"detectedRectangles[{index}] is a {type(rectangle).__name__}, expected a dict: left out")
            continue
        if "id" not in rectangle:
            free_id = free_id or _first_free_id(rectangles)
            rectangle = {"id": free_id, **rectangle}  # noqa: PLW2901 - the user's own dict stays as it is
            free_id += 1
        try:
            whole.append(_completed(rectangle, module_id, source_type))
        except _RectangleError as error:
            note(f"detectedRectangles[{index}]{error}: left out")
    return whole


def _first_free_id(rectangles: Sequence[Any]) -> int:
    ids = [item["id"] for item in rectangles if isinstance(item, dict) and isinstance(item.get("id"), Integral)]
    return int(max(ids, default=0)) + 1


def _completed(given: Rectangle, module_id: int, source_type: str) -> Rectangle:
    """Return `given` with all fields; raises _RectangleError."""
    for key in ("x", "y", "width", "height"):
        if key not in given:
            msg = f" has no {key!r}"
            raise _RectangleError(msg)
    width, height = _take(given, "width", _pixels), _take(given, "height", _pixels)
    names = _take(given, "classNames", _list, [])
    names = names or _labelled(given) or names
    winner = names[0].get("confidence", 1.0) if names and isinstance(names[0], dict) else 1.0
    confidence = _take(given, "confidence", _real, winner)
    made = {
        "id": _take(given, "id", _whole),
        "x": _take(given, "x", _pixels),
        "y": _take(given, "y", _pixels),
        "width": width,
        "height": height,
        "rotate": _take(given, "rotate", _real, 0.0),
        "area": _take(given, "area", _real, width * height),
        "confidence": confidence,
        "classNames": _class_names(names, confidence),
        "source": _take(given, "source", partial(_source, module_id, source_type), {}),
    }
    return _kept(given, made)


def _labelled(given: Rectangle) -> Sequence[Any]:
    """The class name that a rectangle without any names as its `label`, a text or the number of a class."""
    label = given.get("label")
    if isinstance(label, str):
        return [{"label": label}]
    is_number = isinstance(label, Integral) and not isinstance(label, bool)
    return [{"id": label}] if is_number else []


def _kept(given: dict[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    """Return `given` itself where `made` is but what it held: by that the join of branches tells what is new."""
    for key, value in made.items():
        if key not in given or given[key] is not value:
            return {**given, **made}
    return given


def _class_names(names: Sequence[Any], confidence: float) -> Sequence[Any]:
    made = [_class_name(name, index, confidence) for index, name in enumerate(names)]
    return names if isinstance(names, list) and all(map(operator.is_, names, made)) else made


def _class_name(given: object, index: int, confidence: float) -> dict[str, Any]:
    try:
        names = _dict(given)
        number = _take(names, "id", _whole, 0)
        color, color_bgr = _colors(names, number)
        made = {
            "id": number,
            "label": _take(names, "label", _text, str(number) if "id" in names else ""),
            "confidence": _take(names, "confidence", _number, confidence),
            "color": color,
            "color_bgr": color_bgr,
        }
    except _RectangleError as error:
        msg = f"['classNames'][{index}]{error}"
        raise _RectangleError(msg) from None
    return _kept(names, made)


def color_of(number: int) -> tuple[str, list[int]]:
    """Return the colour of a class by its number, as #rrggbb and as blue, green and red."""
    return _colors({}, number)


def _colors(names: dict[str, Any], number: int) -> tuple[str, list[int]]:
    if "color_bgr" in names and "color" not in names:
        blue, green, red = levels = _take(names, "color_bgr", _levels)
        return f"#{red:02x}{green:02x}{blue:02x}", levels
    color = _take(names, "color", _color, _PALETTE[number % len(_PALETTE)])
    red, green, blue = bytes.fromhex(color[1:])
    levels = [blue, green, red]
    own: Any = names.get("color_bgr")
    return color, own if same(own, levels) else levels


def _source(module_id: int, source_type: str, given: object) -> dict[str, Any]:
    source = _dict(given)
    made = {
        "modelId": _take(source, "modelId", _whole, 0),
        "moduleId": _take(source, "moduleId", _whole, module_id),
        "type": _take(source, "type", _source_type, source_type),
    }
    return _kept(source, made)


def _take(given: dict[str, Any], key: str, fitting: Callable[[Any], _Value], default: object = None) -> _Value:
    """Return what is under `key`, or `default`, as what `fitting` makes of it; its errors get the key in front."""
    try:
        return fitting(given.get(key, default))
    except _RectangleError as error:
        msg = f"[{key!r}]{error}"
        raise _RectangleError(msg) from None


def _refuse(value: object, expected: str) -> NoReturn:
    msg = f" is {shown(value)}, expected {expected}"
    raise _RectangleError(msg)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else _refuse(value, "a dict")


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else _refuse(value, "a list")


def _text(value: object) -> str:
    return value if isinstance(value, str) else _refuse(value, "text")


def _color(value: object) -> str:
    return value if isinstance(value, str) and _COLOR.fullmatch(value) else _refuse(value, "#rrggbb")


def _levels(value: object) -> list[int]:
    if not isinstance(value, list | tuple) or len(value) != 3:
        _refuse(value, "[b, g, r]")
    return [max(0, min(_whole(level), 255)) for level in value]


def _source_type(value: object) -> str:
    known = isinstance(value, str) and value in SOURCE_TYPES
    return cast("str", value) if known else _refuse(value, f"one of {', '.join(SOURCE_TYPES)}")


def _pixels(value: object) -> float:
    number = _number(value)
    return number if -_FARTHEST_PX < number < _FARTHEST_PX else _refuse(value, "pixels of an image")


def _whole(value: object) -> int:
    # asking for the type first is ten times faster than asking numpy's kin
    if type(value) is int or (isinstance(value, Integral) and not isinstance(value, bool)):
        number = int(value)
        if -(2**63) <= number < 2**64:
            return number
    return _refuse(value, "a whole number of 64 bits")


def _number(value: object) -> float:
    """Return `value` as int or float, numpy's made Python's."""
    if type(value) is int:
        return value
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    return _real(value)


def _real(value: object) -> float:
    if type(value) is float or (isinstance(value, Real) and not isinstance(value, bool)):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    return _refuse(value, "a number")
