"""Where in its picture something was found, as parts of the width and height; of a rectangle that is none nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from service.history.texts import plain_text
from service.history.writing.rows import number_of

if TYPE_CHECKING:
    from service.results.record import Record

_MOST_PLACES = 64  # of a frame; the others are in its context
_MOST_LOOKED_AT = 1024
_LARGEST_PX = 1e6


class Place(NamedTuple):
    """The part of a rectangle that lies in the picture; `place` is its number among those of the context."""

    place: int
    label: str | None
    x: float
    y: float
    width: float
    height: float

    def cell(self, cells: int) -> int:
        """Return the cell that its middle lies in, of `cells` a side, row after row."""
        column = min(int((self.x + self.width / 2) * cells), cells - 1)
        return min(int((self.y + self.height / 2) * cells), cells - 1) * cells + column


def places_of(record: Record) -> list[Place]:
    """Return the places of a frame, from its `detectedRectangles` and `imageShape`."""
    known = record.known if record.context else record.told.get("places")
    if not isinstance(known, dict):
        return []
    rectangles, shape = known.get("detectedRectangles"), known.get("imageShape")
    if not isinstance(rectangles, list) or not isinstance(shape, dict):
        return []
    width, height = (number_of(shape.get(key)) or 0.0 for key in ("width", "height"))
    if not (1 <= width <= _LARGEST_PX and 1 <= height <= _LARGEST_PX):
        return []
    return [*islice(_within(rectangles[:_MOST_LOOKED_AT], width, height), _MOST_PLACES)]


def _within(rectangles: list[Any], width: float, height: float) -> Iterator[Place]:
    for place, rectangle in enumerate(rectangles):
        if isinstance(rectangle, dict):
            x, y = number_of(rectangle.get("x")), number_of(rectangle.get("y"))
            across, down = number_of(rectangle.get("width")), number_of(rectangle.get("height"))
            if x is None or y is None or across is None or down is None or across < 0 or down < 0:
                continue
            left, right = max(0.0, x), min(width, x + across)
            top, bottom = max(0.0, y), min(height, y + down)
            if left <= right and top <= bottom:
                size = (right - left) / width, (bottom - top) / height
                yield Place(place, _label(rectangle), left / width, top / height, *size)


def _label(rectangle: Mapping[str, Any]) -> str | None:
    names = rectangle.get("classNames")
    first = names[0] if isinstance(names, list) and names else None
    label = first.get("label") if isinstance(first, dict) else None
    return plain_text(label) if isinstance(label, str) else None
