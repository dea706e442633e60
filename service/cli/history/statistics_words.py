"""Statistics of a time as lines for a terminal. Pure: it knows the document, and no database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from workers.text import shown_on_terminal

_MOST_LINES = 20  # of a table; all of them are in CSV and JSON
_MOST_CHARS = 40
_COUNTED = ("ok", "nok", "error", "off", "held", "refused")


def lines_of(known: dict[str, Any]) -> Iterator[str]:
    """Yield them."""
    counts = known["counts"]
    yield _time_of(known)
    yield "  ".join([f"{counts['frames']} frames:", *(f"{counts[name]} {_WORDS[name]}" for name in _COUNTED)])
    yield from _yield_of(known)
    yield from _unknown_of(known["unknown"])
    yield from _labels_of(known)
    for name in ("camera", "server"):
        rows = known[f"{name}s"]
        if len(rows) > 1:
            yield from _counted(name, [(one[name], one) for one in rows])
    if len(known["shifts"]) > 1:
        yield from _counted("shift", [(f"{one['day']} {one['name']}", one) for one in known["shifts"]])
    yield from _measures_of(known["measures"])
    latency = known["latency"]
    if latency["bins"]:
        percentiles = ("p50", "p90", "p99", "p999", "mean")
        yield ""
        yield "  ".join(["took", *(f"{name} {latency[f'{name}_ms']:.1f} ms" for name in percentiles)])


_WORDS = {"ok": "OK", "nok": "NOK", "error": "ERROR", "off": "off", "held": "held", "refused": "refused"}


def _time_of(known: dict[str, Any]) -> str:
    shift = known["shift"]
    named = [f"{shift['day']} {shift['name']}:"] if shift else []
    words = [*named, f"{_local(known, 'since')} to {_local(known, 'until')}", known["timeZone"]]
    return shown_on_terminal("  ".join([*words, *(["not over yet"] if known["now"] < known["until"] else [])]))


def _local(known: dict[str, Any], key: str) -> str:
    """Return a time as clocks of the shifts show it; of a zone that has no name as UTC has it."""
    text = known[key]
    try:
        return f"{datetime.fromisoformat(text).astimezone(ZoneInfo(known['timeZone'])):%Y-%m-%d %H:%M}"
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f"{text[:16]}Z"


def _yield_of(known: dict[str, Any]) -> Iterator[str]:
    counts, decided = known["counts"], known["decided"]
    words = [f"yield {_percent(counts['yield'])}"]
    if known["unknown"]["intervals"]:
        words.append(f"at least {_percent(counts['yieldAtLeast'])}")
    if decided and (decided["confirmed"] or decided["falseCalls"] or decided["escapes"]):
        words.append(f"as decided {_percent(counts['yieldDecided'])}")
        words.append(f"{decided['falseCalls']} false calls ({_percent(decided['falseCallShare'])} of decided NOK)")
        words.append(f"{decided['escapes']} escapes, {decided['undecidedNok']} NOK undecided")
    yield "  ".join(words)


def _unknown_of(unknown: dict[str, Any]) -> Iterator[str]:
    if unknown["intervals"]:
        least = "" if unknown["framesAreCounted"] else "at least "
        frames, intervals = unknown["framesAtLeast"], unknown["intervals"]
        yield f"UNKNOWN  {least}{frames} frames are in no number here, and none counts as OK (intervals: {intervals})"


def _labels_of(known: dict[str, Any]) -> Iterator[str]:
    head = ("label", "NOK", "share", "false calls")
    rows = [
        (one["label"], str(one["nok"]), _percent(one["share"]), str(one.get("falseCalls", "-")))
        for one in known["labels"]
    ]
    yield from _aligned(head, rows)


def _counted(name: str, rows: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[str]:
    head = (name, "yield", *(_WORDS[one] for one in _COUNTED))
    yield from _aligned(
        head, [(text, _percent(one["yield"]), *(str(one[key]) for key in _COUNTED)) for text, one in rows]
    )


def _measures_of(measures: Sequence[dict[str, Any]]) -> Iterator[str]:
    head = ("measured", "camera", "unit", "count", "failed", "mean", "s", "min", "max", "Cp", "Cpk")
    rows = [
        (
            *(one[key] for key in ("name", "camera", "unit")),
            *(str(one[key]) for key in ("count", "failed")),
            *(_number(one[key]) for key in ("mean", "sigma", "min", "max")),
            *("-" if one[key] is None else f"{one[key]:.2f}" for key in ("cp", "cpk")),
        )
        for one in measures
    ]
    yield from _aligned(head, rows, texts=3)


def _aligned(head: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> Iterator[str]:
    """Yield a table behind an empty line: the first `texts` columns to the left, numbers to the right."""
    if not rows:
        return
    shown = [[_cut(cell) if at < texts else cell for at, cell in enumerate(row)] for row in (head, *rows[:_MOST_LINES])]
    widths = [max(len(row[at]) for row in shown) for at in range(len(head))]
    yield ""
    for row in shown:
        cells = [f"{cell:{'<' if at < texts else '>'}{widths[at]}}" for at, cell in enumerate(row)]
        yield "  ".join(cells).rstrip()
    if len(rows) > _MOST_LINES:
        yield f"and {len(rows) - _MOST_LINES} more: see --csv"


def _cut(text: str) -> str:
    """Return a text that a client or a flow has chosen as one line can have it."""
    shown = shown_on_terminal(text) or "-"
    return shown if len(shown) <= _MOST_CHARS else f"{shown[: _MOST_CHARS - 1]}\N{HORIZONTAL ELLIPSIS}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"
