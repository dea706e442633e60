"""Intervals of which not all is known, as far as they lie in a time: their frames are in no sum, and none is OK."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import case, func, select

from service.history.schema.tables import RUNS, UNKNOWN
from service.results.documents import time_text

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from service.statistics.asked import Wanted
    from service.statistics.counts import Bin

_MOST_SHOWN = 300


class Interval(NamedTuple):
    """From when to when, and why; `frames` of them, None where nobody knows how many."""

    begin_ns: int
    end_ns: int
    why: str
    frames: int | None


class Unknown(NamedTuple):
    """All of them: how many, how long, how many frames at least; whether that is all; and the last ones."""

    intervals: int = 0
    length_ns: int = 0
    frames: int = 0
    is_counted: bool = True
    last: tuple[Interval, ...] = ()


def unknown_of(connection: Connection, wanted: Wanted) -> Unknown:
    """Return what is unknown of a time, whatever camera it was of: nobody knows."""
    columns = UNKNOWN.c
    conditions = [columns.begin_ns < wanted.until_ns, columns.end_ns >= wanted.since_ns]
    if wanted.server is not None:
        conditions.append(columns.run.in_(select(RUNS.c.run).where(RUNS.c.server == wanted.server)))
    begin = case((columns.begin_ns < wanted.since_ns, wanted.since_ns), else_=columns.begin_ns)
    end = case((columns.end_ns > wanted.until_ns, wanted.until_ns), else_=columns.end_ns)
    total = connection.execute(
        select(func.count(), func.sum(end - begin), func.sum(columns["count"]), func.count(columns["count"])).where(
            *conditions
        )
    ).one()
    if not total[0]:
        return Unknown()
    newest = select(UNKNOWN).where(*conditions).order_by(columns.begin_ns.desc()).limit(_MOST_SHOWN)
    last = tuple(
        Interval(row["begin_ns"], row["end_ns"], row["why"], row["count"])
        for row in connection.execute(newest).mappings()
    )
    return Unknown(total[0], int(total[1] or 0), int(total[2] or 0), total[3] == total[0], last)


def mark(bins: Sequence[Bin], unknown: Unknown) -> None:
    """Note at the bins what is unknown of them; the frames of an interval count where it begins."""
    for interval in unknown.last:
        rest = interval.frames or 0
        for one in bins:
            if interval.begin_ns < one.end_ns and interval.end_ns >= one.begin_ns:
                one.unknown = True
                one.unknown_count += rest
                rest = 0


def document_of(unknown: Unknown) -> dict[str, Any]:
    """Return it as JSON has it."""
    return {
        "intervals": unknown.intervals,
        "duration_ms": unknown.length_ns / 1e6,
        "framesAtLeast": unknown.frames,
        "framesAreCounted": unknown.is_counted,
        "last": [
            {"time": time_text(one.begin_ns), "until": time_text(one.end_ns), "why": one.why, "frames": one.frames}
            for one in unknown.last
        ],
    }
