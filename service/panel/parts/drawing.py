"""What was found in a frame as a drawing over its picture; its context as a tree. No pixels; nothing is believed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

_MOST_SHAPES = 500
_MOST_NODES = 2000
_DEEPEST = 24
_MOST_CHARS = 400
_IN_A_LINE = 16
_UNIT = 1000.0  # what the sides of a picture of unknown size are


class Shape(NamedTuple):
    """A rectangle in the units of the drawing; `turn` is in degrees about its middle."""

    x: float
    y: float
    width: float
    height: float
    label: str
    confidence: float | None = None
    turn: float = 0.0
    is_said: bool = False  # by a person

    @property
    def middle(self) -> tuple[float, float]:
        """Where it is turned about."""
        return self.x + self.width / 2, self.y + self.height / 2


class Drawing(NamedTuple):
    """A picture's sides, and what lies in it; `more` were too many to be drawn."""

    width: float
    height: float
    shapes: tuple[Shape, ...]
    more: int = 0


class Node(NamedTuple):
    """An entry of a context: `text` is its value, or in short what it has in it."""

    name: str
    text: str
    children: tuple[Node, ...] = ()


def drawing_of(frame: Mapping[str, Any], context: Any) -> Drawing:
    """Return what was found in a frame, by its document; of one without its context the places that are known."""
    width, height = _size_of(frame, context)
    shapes = [*_rectangles(context)] if isinstance(context, dict) else []
    if not shapes:
        shapes = [_of_parts(place, width, height) for place in frame["places"]]
    shown = shapes[:_MOST_SHAPES]
    for one in frame["decisions"]["decisions"]:
        if one["place"] and not one["undone"]:
            shown.append(_of_parts({**one["place"], "label": one["label"]}, width, height, is_said=True))
    return Drawing(width, height, tuple(shown), max(0, len(shapes) - _MOST_SHAPES))


def _size_of(frame: Mapping[str, Any], context: Any) -> tuple[float, float]:
    picture = frame["picture"] or {}
    shape = context.get("imageShape") if isinstance(context, dict) else None
    for known in (shape, picture):
        if isinstance(known, dict):
            width, height = _number(known.get("width")), _number(known.get("height"))
            if width and height and width > 0 and height > 0:
                return width, height
    return _UNIT, _UNIT


def _rectangles(context: Mapping[str, Any]) -> Iterator[Shape]:
    found = context.get("detectedRectangles")
    for one in found if isinstance(found, list) else ():
        if isinstance(one, dict):
            sides = [_number(one.get(side)) for side in ("x", "y", "width", "height")]
            if not any(side is None for side in sides):
                x, y, width, height = (side or 0.0 for side in sides)
                turn = _number(one.get("rotate")) or 0.0
                if width >= 0 and height >= 0:
                    yield Shape(x, y, width, height, _label(one), _number(one.get("confidence")), turn)


def _label(rectangle: Mapping[str, Any]) -> str:
    names = rectangle.get("classNames")
    first = names[0] if isinstance(names, list) and names else None
    return _short(str(first.get("label", ""))) if isinstance(first, dict) else ""


def _of_parts(place: Mapping[str, Any], width: float, height: float, *, is_said: bool = False) -> Shape:
    return Shape(
        place["x"] * width,
        place["y"] * height,
        place["width"] * width,
        place["height"] * height,
        _short(place["label"] or ""),
        is_said=is_said,
    )


def tree_of(context: Any) -> tuple[tuple[Node, ...], int]:
    """Return a context as nodes, and how many there are beyond those that are shown."""
    left = [_MOST_NODES]
    nodes = tuple(_nodes(context, left, 0))
    return nodes, max(0, -left[0])


def _nodes(value: Any, left: list[int], depth: int) -> Iterator[Node]:
    entries: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        entries = value.items()
    elif isinstance(value, list):
        entries = enumerate(value)
    for name, entry in entries:
        left[0] -= 1
        if left[0] < 0:
            continue  # counted, not shown
        is_branch = isinstance(entry, dict | list) and entry and not _fits_a_line(entry) and depth < _DEEPEST
        children = tuple(_nodes(entry, left, depth + 1)) if is_branch else ()
        yield Node(_short(str(name)), f"({len(entry)})" if is_branch else _text(entry), children)


def _fits_a_line(entry: Any) -> bool:
    return (
        isinstance(entry, list) and len(entry) <= _IN_A_LINE and not any(isinstance(one, dict | list) for one in entry)
    )


def _text(value: Any) -> str:
    if isinstance(value, str):
        return _short(value)
    if isinstance(value, list):
        return "[" + ", ".join(_text(one) for one in value[:_IN_A_LINE]) + (", ...]" if value[_IN_A_LINE:] else "]")
    if isinstance(value, dict):
        return "{...}" if value else "{}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.6g}" if isinstance(value, float) else _short(str(value))


def _short(text: str) -> str:
    return text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]}..."


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if abs(value) < 1e9 else None
