"""Reading the history: entries that match, newest first, a page at a time, so that a million of them fit anywhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from sqlalchemy import Connection, Engine, and_, or_, select

from service.history.part_lookup import part_documents
from service.history.schema.part_tables import PARTS
from service.history.schema.tables import CONTEXTS, LABELS, MEASURED, PICTURES, RECORDS, REFUSALS, RUNS, SERIES, UNKNOWN
from service.results.documents import id_text, time_text

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Row, Table

_PAGE = 500
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
    servers: tuple[str, ...] = ()
    held: bool | None = None  # whether they are NOK because the line was held

    @property
    def is_of_some(self) -> bool:
        """Whether it asks for more than a time and a server."""
        return bool(self.verdicts or self.parts) or self.is_of_frames

    @property
    def is_of_frames(self) -> bool:
        """Whether it asks for what frames alone have."""
        return bool(self.cameras or self.labels) or self.held is not None


class Entry(NamedTuple):
    """A frame, a part, refusals of a second, or an interval that is unknown, as JSON has it; and when."""

    at_ns: int
    document: dict[str, Any]


def entries(engine: Engine, wanted: Wanted, *, with_context: bool) -> Iterator[Entry]:
    """Yield what matches, newest first.

    Intervals that are unknown are among it whatever is asked for: such a frame may have been in one.
    """
    found = [_frames(engine, wanted, with_context=with_context), _unknown(engine, wanted)]
    if not wanted.is_of_frames:
        found.append(_parts(engine, wanted))
    if not wanted.is_of_some:
        found.append(_refusals(engine, wanted))
    return merge(*found, key=lambda entry: entry.at_ns, reverse=True)


def servers_of(connection: Connection, page: Sequence[Row[Any]]) -> dict[int, str]:
    """Return the names of the servers that wrote rows, by the numbers of their runs."""
    query = select(RUNS.c.run, RUNS.c.server).where(RUNS.c.run.in_({row.run for row in page}))
    return {row.run: row.server for row in connection.execute(query)}


def documents(connection: Connection, page: Sequence[Row[Any]], *, with_context: bool) -> list[dict[str, Any]]:
    """Return what is known of frames, by their rows of RECORDS, as JSON has it."""
    more = _More(connection, [row.number for row in page], with_context=with_context)
    servers = servers_of(connection, page)
    return [_document(row, servers[row.run], more) for row in page]


def _frames(engine: Engine, wanted: Wanted, *, with_context: bool) -> Iterator[Entry]:
    columns = RECORDS.c
    conditions = _between(columns.came_ns, wanted) + _of_servers(RECORDS, wanted)
    for column, values in ((columns.verdict, wanted.verdicts), (columns.camera, wanted.cameras)):
        conditions += [column.in_(values)] if values else []
    if wanted.held is not None:
        conditions.append(columns.held.is_not(None) if wanted.held else columns.held.is_(None))
    if wanted.parts:
        conditions.append(columns.part.in_(wanted.parts))
    if wanted.labels:
        conditions.append(columns.number.in_(select(LABELS.c.record).where(LABELS.c.label.in_(wanted.labels))))

    def read(connection: Connection, page: Sequence[Row[Any]]) -> list[Entry]:
        found = documents(connection, page, with_context=with_context)
        return [Entry(row.came_ns, document) for row, document in zip(page, found, strict=True)]

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
        self.pictures = {row.record: row for row in connection.execute(_of(PICTURES, numbers))}
        contexts = connection.execute(_of(CONTEXTS, numbers)) if with_context else ()
        self.contexts = {row.record: row.context for row in contexts}


def _of(table: Table, numbers: Sequence[int]) -> Any:
    return select(table).where(table.c.record.in_(numbers))


def _document(row: Row[Any], server: str, more: _More) -> dict[str, Any]:
    found: dict[str, Any] = {
        "kind": "frame",
        "id": id_text(row.came_ns, row.slot),
        "time": time_text(row.came_ns),
        "server": server,
        "client": row.client,
        "camera": row.camera,
        "part": row.part,
        "view": row.view,
        "data": row.data,
        "requestId": row.request_id,
        "flowVersion": row.flow_version,
        "inputRevision": row.input_revision,
        "status": row.status,
        "verdict": row.verdict,
        "held": row.held,
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
    if row.number in more.pictures:
        found["picture"] = _picture(more.pictures[row.number])
    if row.number in more.contexts:
        found["context"] = orjson.Fragment(more.contexts[row.number])
    return found


def _picture(row: Row[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"kept": row.file is not None, "why": row.why, "bytes": row.bytes}
    if row.file is not None:
        found["file"] = row.file
    if row.lost is not None:
        found["lost"] = row.lost
    return {
        **found,
        "mediaType": row.media_type,
        "width": row.width,
        "height": row.height,
        "pixelFormat": row.pixel_format,
    }


def _parts(engine: Engine, wanted: Wanted) -> Iterator[Entry]:
    conditions = _between(PARTS.c.begin_ns, wanted)
    conditions += [PARTS.c.verdict.in_(wanted.verdicts)] if wanted.verdicts else []
    conditions += [PARTS.c.part.in_(wanted.parts)] if wanted.parts else []
    conditions += _of_servers(PARTS, wanted)

    def read(connection: Connection, page: Sequence[Row[Any]]) -> list[Entry]:
        documents, servers = part_documents(connection, page), servers_of(connection, page)
        return [
            Entry(row.begin_ns, {**document, "server": servers[row.run]})
            for row, document in zip(page, documents, strict=True)
        ]

    return _paged(engine, PARTS, "begin_ns", conditions, read)


def _refusals(engine: Engine, wanted: Wanted) -> Iterator[Entry]:
    conditions = _between(REFUSALS.c.came_ns, wanted) + _of_servers(REFUSALS, wanted)
    return _paged(engine, REFUSALS, "came_ns", conditions, _read_refusals)


def _read_refusals(connection: Connection, page: Sequence[Row[Any]]) -> list[Entry]:
    servers = servers_of(connection, page)
    return [
        Entry(
            row.came_ns,
            {
                "kind": "refusals",
                "time": time_text(row.came_ns),
                "server": servers[row.run],
                "refused": [{"client": row.client, "status": row.status, "count": row._mapping["count"]}],  # noqa: SLF001
            },
        )
        for row in page
    ]


def _unknown(engine: Engine, wanted: Wanted) -> Iterator[Entry]:
    columns = UNKNOWN.c
    conditions = [] if wanted.since_ns is None else [columns.end_ns >= wanted.since_ns]
    conditions += [] if wanted.until_ns is None else [columns.begin_ns < wanted.until_ns]
    return _paged(engine, UNKNOWN, "end_ns", conditions + _of_servers(UNKNOWN, wanted), _read_unknown)


def _read_unknown(connection: Connection, page: Sequence[Row[Any]]) -> list[Entry]:
    found, servers = [], servers_of(connection, page)
    for row in page:
        interval = {
            "time": time_text(row.begin_ns),
            "until": time_text(row.end_ns),
            "server": servers[row.run],
            "why": row.why,
        }
        count = row._mapping["count"]  # noqa: SLF001 - SQLAlchemy's own name for it; `row.count` is a tuple's method
        found.append(Entry(row.end_ns, {"kind": "unknown", **interval, **({} if count is None else {"count": count})}))
    return found


def _between(time: ColumnElement[int], wanted: Wanted) -> list[ColumnElement[bool]]:
    found = [] if wanted.since_ns is None else [time >= wanted.since_ns]
    return found + ([] if wanted.until_ns is None else [time < wanted.until_ns])


def _of_servers(table: Table, wanted: Wanted) -> list[ColumnElement[bool]]:
    if not wanted.servers:
        return []
    return [table.c.run.in_(select(RUNS.c.run).where(RUNS.c.server.in_(wanted.servers)))]
