"""What became of frames and of parts that several of them make, as JSON has it: on record, in answers. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

_ID = re.compile(r"([0-7][0-9a-f]{15})([0-9a-f]{2})")
_SIDES = ("x", "y", "width", "height")
_MOST_PLACES = 64
_MOST_LABEL_CHARS = 100
ESSENCE = ("score", "labels", "measures")


class View(NamedTuple):
    """A view of a part: what became of it, and the id of its frame; none where it is missing."""

    view: str
    verdict: str
    frame: str | None


def part_document(
    known: Mapping[str, Any], begin_ns: int, end_ns: int, why: str | None, views: Iterable[View]
) -> dict[str, Any]:
    """Return it; `known` are its id, time, part and verdict."""
    return {
        "kind": "part",
        **known,
        "result": known["verdict"] == "OK",
        "why": why or None,
        "took_ms": (end_ns - begin_ns) / 1e6,
        "views": [{"view": one.view, "verdict": one.verdict, "frame": one.frame} for one in views],
    }


def views_in(told: Mapping[str, Any]) -> list[View]:
    """Return the views that stand on record; what is none is left out."""
    views = told.get("views")
    entries = [entry for entry in views if isinstance(entry, list)] if isinstance(views, list) else []
    return [
        View(view, verdict, frame if isinstance(frame, str) else None)
        for view, verdict, frame in (entry for entry in entries if len(entry) == 3)
        if isinstance(view, str) and isinstance(verdict, str)
    ]


def essence_of(context: Any) -> dict[str, Any]:
    """Return what is known of a context that is not kept whole: `score`, `labels`, `measures`."""
    if not isinstance(context, dict):
        return {}
    found: dict[str, Any] = {"labels": [*dict.fromkeys(_labels_in(context))]}
    if isinstance(score := context.get("score"), int | float):
        found["score"] = score
    if isinstance(measures := context.get("measures"), dict):
        found["measures"] = measures
    return found


def places_in(context: Any) -> dict[str, Any]:
    """Return what a context says of where its frame shows what, short: the first rectangles, and the frame's size."""
    if not isinstance(context, dict):
        return {}
    rectangles = _list_of_objects(context.get("detectedRectangles"))[:_MOST_PLACES]
    found = [
        {**{side: each.get(side) for side in _SIDES}, "classNames": [{"label": label} for label in _label_of(each)]}
        for each in rectangles
        if all(isinstance(each.get(side), int | float) for side in _SIDES)
    ]
    shape = context.get("imageShape")
    size = {side: shape.get(side) for side in _SIDES[2:]} if isinstance(shape, dict) else {}
    return {"detectedRectangles": found, "imageShape": size} if found else {}


def _label_of(rectangle: Mapping[str, Any]) -> list[str]:
    names = _list_of_objects(rectangle.get("classNames"))
    return [name["label"][:_MOST_LABEL_CHARS] for name in names[:1] if isinstance(name.get("label"), str)]


def _labels_in(context: Mapping[str, Any]) -> list[str]:
    """Return the labels of what a context says was found."""
    found: list[str] = []
    for rectangle in _list_of_objects(context.get("detectedRectangles")):
        names = _list_of_objects(rectangle.get("classNames"))
        found += [name["label"] for name in names[:1] if isinstance(name.get("label"), str)]
    for entry in _list_of_objects(context.get("surfaceClasses")):
        found += [entry["label"]] if isinstance(entry.get("label"), str) else []
    return found


def _list_of_objects(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def time_text(at_ns: int) -> str:
    """Return a time as people read it: UTC, to the nanosecond."""
    second, rest = divmod(at_ns, 1_000_000_000)
    try:
        return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"
    except (OverflowError, ValueError, OSError):
        return f"{second}.{rest:09}"  # of a clock that nobody has set


def id_text(came_ns: int, slot: int) -> str:
    """Return the id of a frame, or of a part: later ones sort behind it."""
    return f"{came_ns:016x}{slot & 0xFF:02x}"


def key_in(frame_id: str) -> tuple[int, int] | None:
    """Return when a frame came, and the last byte of its slot, as its id says; None of what is no id."""
    found = _ID.fullmatch(frame_id)
    return (int(found[1], 16), int(found[2], 16)) if found else None
