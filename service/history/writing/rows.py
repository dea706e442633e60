"""A record as rows of tables. What a client or a flow has made of it is believed in nothing."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from service.history.texts import LONGEST, LONGEST_PART, plain_text
from service.results.record import Kind

if TYPE_CHECKING:
    from service.results.record import Record

_MOST = (1 << 63) - 1
_MOST_LABELS = 64  # of a frame; the others are in its context
_MOST_MEASURES = 256


class Measured(NamedTuple):
    """A measured value; `value` is None where it could not be measured."""

    name: str
    unit: str
    value: float | None
    low: float | None
    high: float | None
    ok: bool | None


def key_of(record: Record) -> tuple[int, int]:
    """Return what a frame is known by, beside its server."""
    return whole_of(record.head.came_ns), record.head.slot


def record_row(record: Record) -> dict[str, Any]:
    """Return the row of a frame, but for its run."""
    head, about, told = record.head, record.about, record.told
    came_ns, slot = key_of(record)
    return {
        "came_ns": came_ns,
        "slot": slot,
        "request_id": plain_text(about["requestId"]) if "requestId" in about else None,
        "client": plain_text(about.get("client", "")),
        "camera": plain_text(about.get("camera", ""), LONGEST),
        "part": plain_text(about["part"], LONGEST_PART) if "part" in about else None,
        "view": plain_text(about["view"], LONGEST) if "view" in about else None,
        "data": plain_text(about.get("data", "")),
        "flow_version": f"{head.flow:016x}",
        "status": head.status,
        "verdict": record.word,
        "held": plain_text(record.held, LONGEST) if record.held is not None else None,
        "score": number_of(record.essence.get("score")),
        "error_code": plain_text(told["code"]) if "code" in told else None,
        "error_message": plain_text(told.get("message", "")) if "code" in told else None,
        "input_revision": _revision(about.get("inputRevision")),
        "frame_bytes": whole_of(head.frame_bytes),
        "left_out_bytes": head.left_out_bytes,
        **{name: whole_of(ns) for name, ns in head.times._asdict().items()},
    }


def labels_of(record: Record) -> list[str]:
    """Return its labels, each once."""
    labels = record.essence.get("labels")
    texts = [plain_text(label, LONGEST) for label in labels] if isinstance(labels, list) else []
    return [*dict.fromkeys(texts)][:_MOST_LABELS]


def measured_of(record: Record) -> Iterator[Measured]:
    """Yield its measured values, each name once."""
    measures = record.essence.get("measures")
    if not isinstance(measures, dict):
        return
    names: set[str] = set()
    for name, entry in [*measures.items()][:_MOST_MEASURES]:
        if isinstance(entry, dict) and (text := plain_text(name, LONGEST)) not in names:
            names.add(text)
            ok = entry.get("ok")
            value, low, high = (number_of(entry.get(key)) for key in ("value", "min", "max"))
            unit = plain_text(entry.get("unit") or "", LONGEST)
            yield Measured(text, unit, value, low, high, ok if isinstance(ok, bool) else None)


def refusal_rows(record: Record) -> list[dict[str, Any]]:
    """Return the rows of a record of refusals, but for their run."""
    refused = record.told.get("refused") if record.head.kind is Kind.REFUSALS else None
    return [
        {
            "came_ns": whole_of(record.head.came_ns),
            "client": plain_text(entry.get("client", "")),
            "status": int(number_of(entry.get("status")) or 0),
            "count": int(number_of(entry.get("count")) or 0),
        }
        for entry in (refused if isinstance(refused, list) else ())
        if isinstance(entry, dict)
    ]


def number_of(value: Any) -> float | None:
    """Return it as a number of the database; None where it is none."""
    kind = type(value)  # not isinstance: True is no number, and it is asked for each number of a frame
    if kind is float:
        return value if isfinite(value) else None
    return float(value) if kind is int else None


def _revision(value: Any) -> int | None:
    return whole_of(value) if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def whole_of(value: int) -> int:
    """Return it as the database can have it: a clock that nobody has set may say more."""
    return min(value, _MOST)
