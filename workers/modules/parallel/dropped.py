"""What is lost at the end of a branch: keys that no join keeps, each named in a note of the frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from workers.context.run import Context, Run
from workers.context.values import same
from workers.text import shown

# what the join keeps of branches, and what is the server's own
_KEPT = frozenset(
    {"image", "heatmaps", "detectedRectangles", "lines", "surfaceClasses", "errors", "result", "angle", "score"}
    | {"threshold", "error", "save", "exit", "globalData", "placement", "frame", "imageShape", "processing", "notes"}
    | {"processingTime", "completeTime", "production_mode", "flowVersion", "stdout", "stderr", "damaged", "timings"}
)
_TABLES = ("items", "operatorInput")  # in these it is a key of theirs that is lost


def tell_dropped(before: Context, end: Context, number: int, run: Run) -> None:
    """Note each key that branch `number` has set or changed, and that ends with it.

    `before` is the context around the branch, `end` what it left of its own.
    """
    for key, name in _changed(before, end):
        file = (run.wrote or {}).get(key)
        run.remark(f"the key {name}{f' set by {file}' if file else ''} was dropped", within=f", branch {number}")


def _changed(before: Context, end: Context) -> Iterator[tuple[str, str]]:
    for key, value in end.items():
        if key in _KEPT or _is_same(key, end, before):
            continue
        was = before.get(key)
        if key in _TABLES and isinstance(value, dict) and isinstance(was, dict):
            yield from ((key, f"{key}[{shown(inner)}]") for inner in value if not _is_same(inner, value, was))
        else:
            yield key, shown(key)


def _is_same(key: object, one: Mapping[Any, Any], other: Mapping[Any, Any]) -> bool:
    try:
        return key in other and same(one[key], other[key])
    except RecursionError:  # it holds itself, so it cannot go out anyway
        return True
