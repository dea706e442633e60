"""How parts that several frames made are written, with their views; and let go of again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, func, insert, select

from service.history.schema.part_tables import PART_VIEWS, PARTS
from service.history.schema.tables import RECORDS
from service.history.texts import LONGEST, LONGEST_PART, plain_text
from service.history.writing.frames import insert_rows
from service.history.writing.rows import key_of
from service.results.documents import views_in

if TYPE_CHECKING:
    from service.history.writing.own import Own
    from service.results.documents import View
    from service.results.record import Record

_MOST_NS = (1 << 63) - 1


def write_parts(connection: Connection, run: int, records: Sequence[Record]) -> None:
    """Write parts, each with its views."""
    for record in records:
        number = connection.execute(insert(PARTS).values({**_row(record), "run": run})).inserted_primary_key
        assert number is not None
        views = {view.view: view for view in views_in(record.told)}.values()
        rows = [{"number": number[0], "place": place, **_view_row(view)} for place, view in enumerate(views)]
        insert_rows(connection, PART_VIEWS, rows)


def forget_parts(connection: Connection, own: Own, before_ns: int | None, most: int) -> None:
    """Delete a server's oldest parts, `most` at a time: those before a time, or before all its frames that are here."""
    first = select(func.min(RECORDS.c.came_ns)).where(own.rows(RECORDS)).scalar_subquery()
    before = func.coalesce(first, 0) if before_ns is None else before_ns
    gone = select(PARTS.c.number).where(own.rows(PARTS), PARTS.c.begin_ns < before)
    connection.execute(delete(PARTS).where(PARTS.c.number.in_(gone.order_by(PARTS.c.begin_ns).limit(most))))


def _row(record: Record) -> dict[str, Any]:
    begin_ns, slot = key_of(record)
    why = record.told.get("why")
    return {
        "part": plain_text(record.about.get("part", ""), LONGEST_PART),
        "begin_ns": begin_ns,
        "end_ns": min(begin_ns + record.head.times.took_ns, _MOST_NS),
        "slot": slot,
        "flow_version": f"{record.head.flow:016x}",
        "verdict": record.word,
        "why": plain_text(why)[:16] if why else None,
    }


def _view_row(view: View) -> dict[str, Any]:
    came_ns, slot = _frame_of(view.frame)
    return {
        "view": plain_text(view.view, LONGEST),
        "verdict": plain_text(view.verdict)[:8],
        "came_ns": came_ns,
        "slot": slot,
    }


def _frame_of(frame: str | None) -> tuple[int | None, int | None]:
    try:
        return (min(int(frame[:16], 16), _MOST_NS), int(frame[16:], 16)) if frame else (None, None)
    except ValueError:
        return None, None
