"""How many frames had which verdict: in all, over time, by camera, by server, by shift; and the yield.

yield = OK / (OK + NOK + ERROR): a frame with an error is none that passed. Frames while the Process switch was off,
frames that were NOK because the line was held, and frames that were refused are in no yield.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from service.history.schema.quarter_tables import BY_DAYS, BY_QUARTERS
from service.history.schema.times import DAY_NS, QUARTER_NS
from service.statistics.asked import Wanted
from service.statistics.pieces import Piece, added_up, is_in
from service.statistics.shifts import Shift, day_bounds, local_time, shift_at

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from service.shift_settings import ShiftSettings

_HOUR_NS = 4 * QUARTER_NS
# bins of these lengths up to times of these
_BINS = (
    (8.5 * _HOUR_NS, QUARTER_NS),
    (13 * _HOUR_NS, 2 * QUARTER_NS),
    (49 * _HOUR_NS, _HOUR_NS),
    (8 * DAY_NS, 6 * _HOUR_NS),
)
_MOST_DAYS_BY_QUARTERS = 35
_MOST_BINS = 100
_MOST_SHIFTS = 100
_ONE_DAY = timedelta(days=1)
_COLUMNS = ("ok", "nok", "off", "error", "refused", "held", "took_ns")


@dataclass(slots=True)
class Counts:
    """How many frames; `took_ns` all of them together. `held` are NOK because the line was held, and in no other."""

    ok: int = 0
    nok: int = 0
    off: int = 0
    error: int = 0
    refused: int = 0
    held: int = 0
    took_ns: int = 0

    def add(self, other: Counts) -> None:
        """Add another's."""
        for one in fields(Counts):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))

    @property
    def inspected(self) -> int:
        """Those that a verdict was asked for."""
        return self.ok + self.nok + self.error

    @property
    def frames(self) -> int:
        """All that were answered."""
        return self.inspected + self.off + self.held

    @property
    def ok_share(self) -> float | None:
        """The yield; None of no frame."""
        return self.ok / self.inspected if self.inspected else None


@dataclass(slots=True)
class Bin:
    """What came from `begin_ns` on and before `end_ns`; `label` how often the label that is asked for."""

    begin_ns: int
    end_ns: int
    counts: Counts
    label: int = 0
    unknown: bool = False
    unknown_count: int = 0


def counts_since(connection: Connection, begin_ns: int, until_ns: int) -> Counts:
    """Return what came from the quarter on that `begin_ns` lies in, and before `until_ns`, of all cameras."""
    wanted = Wanted(begin_ns - begin_ns % QUARTER_NS, until_ns + -until_ns % QUARTER_NS, until_ns)
    total = Counts()
    for numbers in added_up(connection, wanted, "counts", (), _COLUMNS).values():
        total.add(Counts(*numbers))
    return total


def by_camera_and_server(connection: Connection, wanted: Wanted) -> dict[tuple[str, str], Counts]:
    """Return the counts of each camera of each server."""
    found = added_up(connection, wanted, "counts", ("camera", "server"), _COLUMNS)
    return {(camera, server): Counts(*numbers) for (camera, server), numbers in found.items()}


def over_time(connection: Connection, wanted: Wanted) -> list[tuple[int, Counts]]:
    """Return the counts of each quarter that has some, in their order; of more than some hundred days of each day."""
    sums = BY_QUARTERS if wanted.span_ns <= _MOST_DAYS_BY_QUARTERS * DAY_NS else BY_DAYS
    table = sums.counts
    piece = Piece(sums, wanted.since_ns - wanted.since_ns % sums.span_ns, wanted.until_ns)
    query = select(table.c.begin_ns, *(func.sum(table.c[name]) for name in _COLUMNS))
    query = query.where(*is_in(table, piece, wanted))
    rows = connection.execute(query.group_by(table.c.begin_ns).order_by(table.c.begin_ns))
    return [(begin_ns, Counts(*map(int, numbers))) for begin_ns, *numbers in rows]


def label_over_time(connection: Connection, wanted: Wanted) -> list[tuple[int, int]]:
    """Return how often the label that is asked for came in each quarter, or day."""
    sums = BY_QUARTERS if wanted.span_ns <= _MOST_DAYS_BY_QUARTERS * DAY_NS else BY_DAYS
    columns = sums.labels.c
    piece = Piece(sums, wanted.since_ns - wanted.since_ns % sums.span_ns, wanted.until_ns)
    query = select(columns.begin_ns, func.sum(columns["count"])).where(
        *is_in(sums.labels, piece, wanted), columns.label == wanted.label
    )
    return [(row[0], int(row[1])) for row in connection.execute(query.group_by(columns.begin_ns))]


def bins_of(settings: ShiftSettings, wanted: Wanted) -> list[Bin]:
    """Choose bins for a time: quarters for a shift, local days for a month."""
    edges = _edges(settings, wanted)
    return [Bin(begin, end, Counts()) for begin, end in pairwise(edges)]


def fill(bins: Sequence[Bin], counted: Iterable[tuple[int, Counts]], labels: Iterable[tuple[int, int]]) -> None:
    """Put into bins what they have."""
    begins = [one.begin_ns for one in bins]
    for begin_ns, counts in counted:
        bins[max(0, bisect_right(begins, begin_ns) - 1)].counts.add(counts)
    for begin_ns, count in labels:
        bins[max(0, bisect_right(begins, begin_ns) - 1)].label += count


def by_shift(
    settings: ShiftSettings, wanted: Wanted, counted: Iterable[tuple[int, Counts]]
) -> list[tuple[Shift, Counts]]:
    """Return the counts of each shift that lies in the time, in their order; of very many the last ones."""
    if wanted.span_ns > _MOST_DAYS_BY_QUARTERS * DAY_NS:
        return []  # there are no quarters of them
    found: list[tuple[Shift, Counts]] = []
    for begin_ns, counts in counted:
        if not found or begin_ns >= found[-1][0].end_ns:
            found.append((shift_at(settings, begin_ns), Counts()))
        found[-1][1].add(counts)
    return found[-_MOST_SHIFTS:]


def _edges(settings: ShiftSettings, wanted: Wanted) -> list[int]:
    for longest_ns, width_ns in _BINS:
        if wanted.span_ns <= longest_ns:
            begin_ns = wanted.since_ns
            # a bin begins with an hour, though the first may be shorter; one of six with the time itself
            second_ns = begin_ns - begin_ns % width_ns + width_ns if width_ns <= _HOUR_NS else begin_ns + width_ns
            return [begin_ns, *range(second_ns, wanted.until_ns, width_ns), wanted.until_ns]
    if wanted.span_ns > _MOST_DAYS_BY_QUARTERS * DAY_NS:  # of days, UTC, as their sums are
        first_ns = wanted.since_ns - wanted.since_ns % DAY_NS
        width_ns = -(-wanted.span_ns // (_MOST_BINS * DAY_NS)) * DAY_NS
        return [*range(first_ns, wanted.until_ns, width_ns), wanted.until_ns]
    edges, day = [wanted.since_ns], local_time(settings, wanted.since_ns).date() + _ONE_DAY
    while (at_ns := day_bounds(settings, day)[0]) < wanted.until_ns:
        if at_ns > edges[-1]:
            edges.append(at_ns)
        day += _ONE_DAY
    return [*edges, wanted.until_ns]


def document_of(counts: Counts) -> dict[str, Any]:
    """Return them as JSON has them."""
    return {
        "frames": counts.frames,
        "ok": counts.ok,
        "nok": counts.nok,
        "error": counts.error,
        "off": counts.off,
        "held": counts.held,
        "refused": counts.refused,
        "yield": counts.ok_share,
    }
