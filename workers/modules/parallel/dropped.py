"""What is lost at the end of a branch: keys that no join keeps, each named in a note of the frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from workers.context.run import Context, Run
from workers.context.values import same
from workers.text import shown

_MISSING: Any = object()
# what the join keeps of branches, and what is the server's own
_KEPT = frozenset(
    {"image", "heatmaps", "detectedRectangles", "lines", "surfaceClasses", "errors", "result", "angle", "score"}
    | {"threshold", "error", "save", "exit", "globalData", "placement", "frame", "imageShape", "processing", "notes"}
    | {"processingTime", "completeTime", "production_mode", "flowVersion", "stdout", "stderr", "damaged", "timings"}
)
_TABLES = ("items", "operatorInput")  # in these it is a key of theirs that is lost


def tell_dropped(before: Context, end: Context, given: Context, number: int, run: Run) -> None:
    """Note each key that branch `number` has set or changed and that ends with it.

    `before` is the context around the branch, `given` the copy of it that the branch began with, `end` what it left.
    """
    for key, name in _changed(before, end, given):
        file = (run.wrote or {}).get(key)
        run.remark(f", branch {number}: the key {name}{f' set by {file}' if file else ''} was dropped")


def _changed(before: Context, end: Context, given: Context) -> Iterator[tuple[str, str]]:
    for key, value in end.items():
        if key in _KEPT or _is_as_it_was(key, value, before, given):
            continue
        was = before.get(key)
        if key in _TABLES and isinstance(value, dict) and isinstance(was, dict):
            yield from ((key, f"{key}[{shown(inner)}]") for inner in value if not _is_same(inner, value, was))
        else:
            yield key, shown(key)


def _is_as_it_was(key: str, value: object, before: Context, given: Context) -> bool:
    if key not in before:
        return False
    # most keys are texts and numbers that nobody has touched
    return value is before[key] or (value is given.get(key, _MISSING) and _is_same(key, {key: value}, before))


def _is_same(key: object, one: Mapping[Any, Any], other: Mapping[Any, Any]) -> bool:
    try:
        return key in other and same(one[key], other[key])
    except RecursionError:  # it holds itself
        return True
