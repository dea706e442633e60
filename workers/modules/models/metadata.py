"""What an export has written beside its model: Ultralytics' keys `names`, `task`, `imgsz`, `nms` and `end2end`.

Each is Python written as text: `names` is "{0: 'scratch', 1: 'dent'}", `imgsz` "[640, 640]" (height, width).
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any, NamedTuple

_LONGEST = 1_000_000


class Metadata(NamedTuple):
    """What was there; None, or nothing, for what was not, or was no such thing."""

    names: Mapping[int, str]
    task: str
    size_px: tuple[int, int] | None  # width, height
    nms: bool
    ultralytics: bool


def read_metadata(given: Mapping[str, str]) -> Metadata:
    """Return what can be read of it: it is a help, so what cannot be is left to the options."""
    names, size = _value(given, "names"), _value(given, "imgsz")
    args = _value(given, "args")
    nms = _value(given, "nms") is True or _value(given, "end2end") is True
    nms = nms or (isinstance(args, dict) and args.get("nms") is True)
    if isinstance(names, list | tuple):
        names = dict(enumerate(names))
    return Metadata(
        {key: str(name) for key, name in names.items() if isinstance(key, int)} if isinstance(names, dict) else {},
        given.get("task", ""),
        _size(size),
        nms,
        "stride" in given and "names" in given,
    )


def _value(given: Mapping[str, str], key: str) -> Any:
    text = given.get(key, "")
    if not text or len(text) > _LONGEST:
        return None
    text = {"true": "True", "false": "False"}.get(text, text)
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def _size(value: object) -> tuple[int, int] | None:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value, value
    if isinstance(value, list | tuple) and len(value) == 2 and all(type(each) is int and each > 0 for each in value):
        return value[1], value[0]
    return None
