"""Scores of stored frames beside a threshold: how they are spread, and which verdicts another one would turn over.

A frame counts as people have decided about it, else as the machine has. What another threshold would have said is told
from the score alone: of a frame that is NOK for another reason too it cannot be known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

if TYPE_CHECKING:
    from sqlalchemy import Connection

MOST_FRAMES = 20_000
BINS = 48


class Scored(NamedTuple):
    """A stored frame with its score: what the machine said, and what is true as people see it, if they have said."""

    number: int
    came_ns: int
    slot: int
    score: float
    is_ok: bool
    truth: bool | None

    @property
    def id(self) -> str:
        """The frame's."""
        return f"{self.came_ns:016x}{self.slot & 0xFF:02x}"

    @property
    def counts_as_ok(self) -> bool:
        """By decision, where there is one."""
        return self.is_ok if self.truth is None else self.truth


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
    """Read the newest frames of a time that have a score and a verdict."""
    from sqlalchemy import select  # noqa: PLC0415 - a front that nobody asks does without

    from service.history.schema.decision_tables import DECIDED  # noqa: PLC0415
    from service.history.schema.tables import CONTEXTS, RECORDS  # noqa: PLC0415

    records = RECORDS.c
    query = (
        select(records.number, records.came_ns, records.slot, records.score, records.verdict, DECIDED.c.truth)
        .select_from(RECORDS.outerjoin(DECIDED, DECIDED.c.record == records.number))
        .where(records.came_ns >= since_ns, records.came_ns < until_ns)
        .where(records.score.is_not(None), records.verdict.in_(("OK", "NOK")))
        .order_by(records.came_ns.desc())
        .limit(MOST_FRAMES + 1)
    )
    found = [
        Scored(number, came_ns, slot, score, verdict == "OK", None if truth is None else truth == "OK")
        for number, came_ns, slot, score, verdict, truth in connection.execute(query)
    ]
    line = None
    if found:
        newest = connection.execute(select(CONTEXTS.c.context).where(CONTEXTS.c.record == found[0].number)).scalar()
        line = _threshold_of(newest)
    return Stretch(found[:MOST_FRAMES], len(found) > MOST_FRAMES, line)


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
    for frame in frames:
        place = min(bins - 1, max(0, int((frame.score - low) / width)))
        counts[place][0 if frame.counts_as_ok else 1] += 1
    return [Bin(low + width * at, low + width * (at + 1), ok, nok) for at, (ok, nok) in enumerate(counts)]


def turned_over(frames: Sequence[Scored], line: float, new_line: float, *, above: bool) -> Turned:
    """Say what `new_line` would have said otherwise than `line`; NOK is from there up, or below it."""

    def nok(score: float, limit: float) -> bool:
        return score >= limit if above else score < limit

    turned = [frame for frame in frames if nok(frame.score, line) != nok(frame.score, new_line)]
    decided = [frame for frame in frames if frame.truth is not None]
    return Turned(
        to_ok=[frame for frame in turned if not frame.is_ok and not nok(frame.score, new_line)],
        to_nok=[frame for frame in turned if frame.is_ok and nok(frame.score, new_line)],
        decided=len(decided),
        false_calls=sum(1 for frame in decided if frame.truth and nok(frame.score, new_line)),
        escapes=sum(1 for frame in decided if not frame.truth and not nok(frame.score, new_line)),
        nok=sum(1 for frame in frames if nok(frame.score, new_line)),
    )


def _threshold_of(context: bytes | None) -> float | None:
    try:
        known: Any = orjson.loads(context) if context else None
    except orjson.JSONDecodeError:
        return None
    found = known.get("threshold") if isinstance(known, dict) else None
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
