"""A record as rows of tables. What a client or a flow has made of it is believed in nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from service.results.record import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    return _whole(record.head.came_ns), record.head.slot


def record_row(record: Record) -> dict[str, Any]:
    """Return the row of a frame, but for its run."""
    head, about, told = record.head, record.about, record.told
    came_ns, slot = key_of(record)
    return {
        "came_ns": came_ns,
        "slot": slot,
        "request_id": _text(about["requestId"]) if "requestId" in about else None,
        "client": _text(about.get("client", "")),
        "camera": _text(about.get("camera", "")),
        "part": _text(about["part"]) if "part" in about else None,
        "data": _text(about.get("data", "")),
        "flow_version": f"{head.flow:016x}",
        "status": head.status,
        "verdict": record.word,
        "score": _number(record.essence.get("score")),
        "error_code": _text(told["code"]) if "code" in told else None,
        "error_message": _text(told.get("message", "")) if "code" in told else None,
        "input_revision": _revision(about.get("inputRevision")),
        "frame_bytes": _whole(head.frame_bytes),
        "left_out_bytes": head.left_out_bytes,
        **{name: _whole(ns) for name, ns in head.times._asdict().items()},
    }


def labels_of(record: Record) -> list[str]:
    """Return its labels, each once."""
    labels = record.essence.get("labels")
    texts = [_text(label) for label in labels] if isinstance(labels, list) else []
    return [*dict.fromkeys(texts)][:_MOST_LABELS]


def measured_of(record: Record) -> Iterator[Measured]:
    """Yield its measured values, each name once."""
    measures = record.essence.get("measures")
    if not isinstance(measures, dict):
        return
    names: set[str] = set()
    for name, entry in [*measures.items()][:_MOST_MEASURES]:
        if isinstance(entry, dict) and (text := _text(name)) not in names:
            names.add(text)
            ok = entry.get("ok")
            value, low, high = (_number(entry.get(key)) for key in ("value", "min", "max"))
            yield Measured(text, _text(entry.get("unit") or ""), value, low, high, ok if isinstance(ok, bool) else None)


def refusal_rows(record: Record) -> list[dict[str, Any]]:
    """Return the rows of a record of refusals, but for their run."""
    refused = record.told.get("refused") if record.head.kind is Kind.REFUSALS else None
    return [
        {
            "came_ns": _whole(record.head.came_ns),
            "client": _text(entry.get("client", "")),
            "status": int(_number(entry.get("status")) or 0),
            "count": int(_number(entry.get("count")) or 0),
        }
        for entry in (refused if isinstance(refused, list) else ())
        if isinstance(entry, dict)
    ]


def _text(value: Any) -> str:
    """Return it without NUL, which PostgreSQL keeps in no text."""
    return str(value).encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _number(value: Any) -> float | None:
    number: Mapping[str, Any] | float | None = value
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        return None
    return float(number)


def _revision(value: Any) -> int | None:
    return _whole(value) if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _whole(value: int) -> int:
    """Return it as the database can have it: a clock that nobody has set may say more."""
    return min(value, _MOST)
