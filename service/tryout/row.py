"""What is kept of a frame that was tried: a line of the table. Its whole context is written, or forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from workers.text import printable

if TYPE_CHECKING:
    from service.tryout.truth import Expected
    from workers.programs.try_pool import Tried

# the contract's keys, which have columns of their own or are no values of the part
_CONTRACT = frozenset(
    {"error", "errors", "save", "result", "score", "threshold", "lines", "surfaceClasses", "detectedRectangles"}
    | {"operatorInput", "globalData", "imageShape", "processing", "processingTime", "completeTime", "production_mode"}
    | {"flowVersion", "stdout", "stderr", "notes", "damaged", "timings"}
)
_MOST_VALUES = 200
_DEEPEST = 3
_LONGEST = 1000

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Row:
    """One frame: `verdict` is OK, NOK or ERROR; `labels` are the winners of its rectangles, the surest one first,
    and the measured values that are out of their limits.

    `values` are what the project's own keys hold, by their paths; `notes` say in words what went wrong. `preview` is an
    annotated JPEG where the verdict is not the expected one.
    """

    path: Path
    verdict: str
    score: float = 0.0
    threshold: float = 0.0
    labels: tuple[str, ...] = ()
    found: int = 0
    notes: tuple[str, ...] = ()
    decode_ms: float = 0.0
    flow_ms: float = 0.0
    values: dict[str, Value] = field(default_factory=dict)
    expected: Expected | None = None
    preview: bytes = b""

    @property
    def name(self) -> str:
        """The file as it is shown."""
        return printable(self.path)

    @property
    def failed(self) -> bool:
        """Whether it is NOK because the flow could not do its work."""
        return self.verdict == "NOK" and bool(self.notes)

    @property
    def is_false(self) -> bool:
        """Whether it has a verdict, and another one is right."""
        return self.expected is not None and self.verdict != "ERROR" and self.expected.result != (self.verdict == "OK")

    @property
    def right(self) -> str:
        """The verdict that is right, nothing where none is known."""
        return "" if self.expected is None else "OK" if self.expected.result else "NOK"

    @property
    def found_words(self) -> str:
        """Say what was found, each label once with its count."""
        counts: dict[str, int] = {}
        for label in self.labels:
            counts[label] = counts.get(label, 0) + 1
        said = [f"{count} {label}" for label, count in counts.items()]
        if self.found > len(self.labels):
            said.append(f"{self.found - len(self.labels)} without a label")
        return ", ".join(said)


def row_of(path: Path, tried: Tried, expected: Expected | None) -> Row:
    """Read what became of a frame."""
    if not tried.context:
        return Row(path, "ERROR", notes=(tried.error,), expected=expected)
    context = orjson.loads(tried.context)
    rectangles = sorted(context["detectedRectangles"], key=_confidence, reverse=True)
    out = _out_of_limits(context.get("measures"))
    return Row(
        path,
        "OK" if context["result"] else "NOK",
        context["score"],
        context["threshold"],
        (*(str(each["classNames"][0]["label"]) for each in rectangles if each["classNames"]), *out),
        len(rectangles) + len(out),
        tuple(_note(entry) for entry in context["errors"]),
        tried.decode_ms,
        tried.flow_ms,
        dict(_values(context)),
        expected,
        tried.preview,
    )


def _confidence(rectangle: dict[str, Any]) -> float:
    confidence = rectangle["confidence"]
    return confidence if isinstance(confidence, int | float) else 0.0


def _out_of_limits(measures: Any) -> list[str]:
    """Name the values that are not between their limits; what was not found at all has a rectangle."""
    entries = measures.items() if isinstance(measures, dict) else ()
    wrong = [name for name, each in entries if isinstance(each, dict) and each.get("ok") is False]
    return [f"{name} out of limits" for name in wrong if measures[name].get("value") is not None]


def _note(entry: Any) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    where = f" ({entry['file']}, line {entry['line']})" if entry.get("file") and entry.get("line") else ""
    return f"{entry.get('message', entry)}{where}"


def _values(context: dict[str, Any]) -> Iterator[tuple[str, Value]]:
    own = {key: value for key, value in context.items() if key not in _CONTRACT}
    for number, (name, value) in enumerate(_leaves(own, "", 0)):
        if number == _MOST_VALUES:
            return
        yield name, value


def _leaves(table: dict[str, Any], above: str, depth: int) -> Iterator[tuple[str, Value]]:
    for key, value in table.items():
        name = f"{above}.{key}" if above else key
        if isinstance(value, dict) and depth < _DEEPEST:
            yield from _leaves(value, name, depth + 1)
        elif isinstance(value, str):
            yield name, value[:_LONGEST]
        elif isinstance(value, int | float):
            yield name, value
