"""Reading the history: entries that match, newest first, a page at a time, so that a million of them fit anywhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import merge
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from sqlalchemy import Connection, Engine, and_, or_, select

from service.history.tables import CONTEXTS, LABELS, MEASURED, RECORDS, REFUSALS, SERIES, UNKNOWN

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Row, Table

_PAGE = 500
_SECOND_NS = 1_000_000_000
_TIMES = ("waiting", "receiving", "queue", "decoding", "flow", "encoding", "took")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which frames: those that came from `since_ns` on and before `until_ns`, and have one of each that is named."""

    since_ns: int | None = None
    until_ns: int | None = None
    verdicts: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def is_of_some(self) -> bool:
        """Whether it asks for more than a time."""
        return bool(self.verdicts or self.cameras or self.parts or self.labels)


class Entry(NamedTuple):
    """A frame, refusals of a second, or an interval that is unknown, as JSON has it; and when."""

    at_ns: int
    document: dict[str, Any]


def entries(engine: Engine, wanted: Wanted, *, with_context: bool) -> Iterator[Entry]:
    """Yield what matches, newest first.

    Intervals that are unknown are among it whatever is asked for: such a frame may have been in one.
    """
    found = [_frames(engine, wanted, with_context=with_context), _unknown(engine, wanted)]
    if not wanted.is_of_some:
        found.append(_refusals(engine, wanted))
    return merge(*found, key=lambda entry: entry.at_ns, reverse=True)


def time_text(at_ns: int) -> str:
    """Return a time as people read it: UTC, to the nanosecond."""
    second, rest = divmod(at_ns, _SECOND_NS)
    try:
        return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"
    except (OverflowError, ValueError, OSError):
        return f"{second}.{rest:09}"  # of a clock that nobody has set


def _frames(engine: Engine, wanted: Wanted, *, with_context: bool) -> Iterator[Entry]:
    columns = RECORDS.c
    conditions = _between(columns.came_ns, wanted)
    for column, values in ((columns.verdict, wanted.verdicts), (columns.camera, wanted.cameras)):
        conditions += [column.in_(values)] if values else []
    if wanted.parts:
        conditions.append(columns.part.in_(wanted.parts))
    if wanted.labels:
        conditions.append(columns.number.in_(select(LABELS.c.record).where(LABELS.c.label.in_(wanted.labels))))

    def read(connection: Connection, page: Sequence[Row[Any]]) -> list[Entry]:
        more = _More(connection, [row.number for row in page], with_context=with_context)
        return [Entry(row.came_ns, _document(row, more)) for row in page]

    return _paged(engine, RECORDS, "came_ns", conditions, read)


def _paged(
    engine: Engine,
    table: Table,
    time: str,
    conditions: list[ColumnElement[bool]],
    read: Callable[[Connection, Sequence[Row[Any]]], list[Entry]],
) -> Iterator[Entry]:
    """Yield what `read` makes of rows, newest first, each page in a transaction of its own.

    One for all would have the log beside the database grow for as long as somebody reads what was printed.
    """
    at, number = table.c[time], table.c.number
    query = select(table).where(*conditions).order_by(at.desc(), number.desc()).limit(_PAGE)
    page_query = query
    while True:
        with engine.begin() as connection:
            page = connection.execute(page_query).all()
            found = read(connection, page)
        yield from found
        if len(page) < _PAGE:
            return
        last_at, last = getattr(page[-1], time), page[-1].number
        page_query = query.where(or_(at < last_at, and_(at == last_at, number < last)))


class _More:
    """What hangs on the frames of a page."""

    def __init__(self, connection: Connection, numbers: Sequence[int], *, with_context: bool) -> None:
        self.labels: dict[int, list[str]] = defaultdict(list)
        for row in connection.execute(_of(LABELS, numbers)):
            self.labels[row.record].append(row.label)
        self.measures: dict[int, dict[str, Any]] = defaultdict(dict)
        names = select(MEASURED, SERIES.c.name, SERIES.c.unit).join(SERIES, SERIES.c.series == MEASURED.c.series)
        for row in connection.execute(names.where(MEASURED.c.record.in_(numbers))):
            known = {"value": row.value, "unit": row.unit, "min": row.low, "max": row.high, "ok": row.ok}
            self.measures[row.record][row.name] = known
        contexts = connection.execute(_of(CONTEXTS, numbers)) if with_context else ()
        self.contexts = {row.record: row.context for row in contexts}


def _of(table: Table, numbers: Sequence[int]) -> Any:
    return select(table).where(table.c.record.in_(numbers))


def _document(row: Row[Any], more: _More) -> dict[str, Any]:
    found: dict[str, Any] = {
        "kind": "frame",
        "id": f"{row.came_ns:016x}{row.slot & 0xFF:02x}",
        "time": time_text(row.came_ns),
        "client": row.client,
        "camera": row.camera,
        "part": row.part,
        "data": row.data,
        "requestId": row.request_id,
        "flowVersion": row.flow_version,
        "inputRevision": row.input_revision,
        "status": row.status,
        "verdict": row.verdict,
        "score": row.score,
        "labels": more.labels[row.number],
        "measures": more.measures[row.number],
        "frameBytes": row.frame_bytes,
        "timings": {f"{name}_ms": getattr(row, f"{name}_ns") / 1e6 for name in _TIMES},
    }
    if row.error_code is not None:
        found["error"] = {"code": row.error_code, "message": row.error_message}
    if row.left_out_bytes:
        found["contextLeftOutBytes"] = row.left_out_bytes
    if row.number in more.contexts:
        found["context"] = orjson.Fragment(more.contexts[row.number])
    return found


def _refusals(engine: Engine, wanted: Wanted) -> Iterator[Entry]:
    return _paged(engine, REFUSALS, "came_ns", _between(REFUSALS.c.came_ns, wanted), _read_refusals)


def _read_refusals(_: Connection, page: Sequence[Row[Any]]) -> list[Entry]:
    return [
        Entry(
            row.came_ns,
            {
                "kind": "refusals",
                "time": time_text(row.came_ns),
                "refused": [{"client": row.client, "status": row.status, "count": row._mapping["count"]}],  # noqa: SLF001
            },
        )
        for row in page
    ]


def _unknown(engine: Engine, wanted: Wanted) -> Iterator[Entry]:
    columns = UNKNOWN.c
    conditions = [] if wanted.since_ns is None else [columns.end_ns >= wanted.since_ns]
    conditions += [] if wanted.until_ns is None else [columns.begin_ns < wanted.until_ns]
    return _paged(engine, UNKNOWN, "end_ns", conditions, _read_unknown)


def _read_unknown(_: Connection, page: Sequence[Row[Any]]) -> list[Entry]:
    found = []
    for row in page:
        interval = {"time": time_text(row.begin_ns), "until": time_text(row.end_ns), "why": row.why}
        count = row._mapping["count"]  # noqa: SLF001 - SQLAlchemy's own name for it; `row.count` is a tuple's method
        found.append(Entry(row.end_ns, {"kind": "unknown", **interval, **({} if count is None else {"count": count})}))
    return found


def _between(time: ColumnElement[int], wanted: Wanted) -> list[ColumnElement[bool]]:
    found = [] if wanted.since_ns is None else [time >= wanted.since_ns]
    return found + ([] if wanted.until_ns is None else [time < wanted.until_ns])
