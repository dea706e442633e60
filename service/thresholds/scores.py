"""Scores of stored frames beside a threshold: how they are spread, and which verdicts another one would turn over.

A frame counts as people have decided about it, else as the machine has. What another threshold would have said is told
from the score alone: of a frame that is NOK for another reason too it cannot be known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from service.results.documents import id_text

if TYPE_CHECKING:
    from sqlalchemy import Connection

MOST_FRAMES = 20_000
BINS = 48


class Scored(NamedTuple):
    """A stored frame with its score, as the database has it.

    `verdict` is what the machine said, `decided` what is true as people see it, if they have said.
    """

    number: int
    came_ns: int
    slot: int
    score: float
    verdict: str
    decided: str | None

    @property
    def id(self) -> str:
        """The frame's."""
        return id_text(self.came_ns, self.slot)


class Stretch(NamedTuple):
    """The frames of a time, newest first; `is_cut` where there are more, `line` what the newest was compared with."""

    frames: Sequence[Scored]
    is_cut: bool = False
    line: float | None = None


class Bin(NamedTuple):
    """So many frames that are OK, and that are not, with a score from `begin` on and below `end`."""

    begin: float
    end: float
    ok: int
    nok: int


class Turned(NamedTuple):
    """Which frames would have another verdict, newest first, and what people say of the line, of what they decided."""

    to_ok: Sequence[Scored]
    to_nok: Sequence[Scored]
    decided: int
    false_calls: int
    escapes: int
    nok: int


def read_stretch(connection: Connection, since_ns: int, until_ns: int) -> Stretch:
    """Read the newest frames of a time that have a score and a verdict of the machine: none of a line that was held."""
    from sqlalchemy import select  # noqa: PLC0415 - a front that nobody asks does without

    from service.history.schema.decision_tables import DECIDED  # noqa: PLC0415
    from service.history.schema.tables import CONTEXTS, RECORDS  # noqa: PLC0415

    records = RECORDS.c
    query = (
        select(records.number, records.came_ns, records.slot, records.score, records.verdict, DECIDED.c.truth)
        .select_from(RECORDS.outerjoin(DECIDED, DECIDED.c.record == records.number))
        .where(records.came_ns >= since_ns, records.came_ns < until_ns)
        # a verdict that is asked for would have SQLite go by that index, and sort
        .where(records.score.is_not(None), records.held.is_(None))
        .order_by(records.came_ns.desc())
        .limit(MOST_FRAMES + 1)
    )
    # the driver's own rows: tens of thousands of SQLAlchemy's take as long as all the rest
    rows = connection.execute(query).cursor.fetchall()
    found = [Scored._make(row) for row in rows if row[4] in {"OK", "NOK"}]
    line = None
    if found:
        newest = connection.execute(select(CONTEXTS.c.context).where(CONTEXTS.c.record == found[0].number)).scalar()
        line = _threshold_of(newest)
    return Stretch(found[:MOST_FRAMES], len(rows) > MOST_FRAMES, line)


def with_pictures(connection: Connection, frames: Sequence[Scored]) -> set[int]:
    """Return the numbers of those frames whose pictures are kept."""
    from sqlalchemy import select  # noqa: PLC0415 - as above

    from service.history.schema.tables import PICTURES  # noqa: PLC0415

    numbers = [frame.number for frame in frames]
    query = select(PICTURES.c.record).where(PICTURES.c.record.in_(numbers), PICTURES.c.file.is_not(None))
    return set(connection.execute(query).scalars())


def spread(frames: Sequence[Scored], low: float, high: float, bins: int = BINS) -> list[Bin]:
    """Count the frames by their scores; what lies beyond is in the first or the last."""
    width = (high - low) / bins
    counts = [[0, 0] for _ in range(bins)]
    for _, _, _, score, verdict, decided in frames:
        place = min(bins - 1, max(0, int((score - low) / width)))
        counts[place][0 if (decided or verdict) == "OK" else 1] += 1
    return [Bin(low + width * at, low + width * (at + 1), ok, nok) for at, (ok, nok) in enumerate(counts)]


def turned_over(frames: Sequence[Scored], line: float, new_line: float, *, above: bool) -> Turned:
    """Say what `new_line` would have said otherwise than `line`; NOK is from there up, or below it."""

    to_ok: list[Scored] = []
    to_nok: list[Scored] = []
    decided = false_calls = escapes = all_nok = 0
    for frame in frames:
        _, _, _, score, verdict, truth = frame
        was, is_nok = (score >= line) is above, (score >= new_line) is above
        all_nok += is_nok
        if was is not is_nok and (verdict == "NOK") is not is_nok:
            (to_nok if is_nok else to_ok).append(frame)
        if truth:
            decided += 1
            false_calls += is_nok and truth == "OK"
            escapes += not is_nok and truth == "NOK"
    return Turned(to_ok, to_nok, decided, false_calls, escapes, all_nok)


def _threshold_of(context: bytes | None) -> float | None:
    try:
        known: Any = orjson.loads(context) if context else None
    except orjson.JSONDecodeError:
        return None
    found = known.get("threshold") if isinstance(known, dict) else None
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
