"""Reading parts that several frames made: those that match, newest first, and the newest of a name."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from service.history.schema.part_tables import PART_VIEWS, PARTS
from service.history.texts import LONGEST_PART, plain_text
from service.results.documents import View, id_text, part_document, time_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row


def newest_of(connection: Connection, part: str) -> dict[str, Any] | None:
    """Return the newest part of that name; None where there is none."""
    named = select(PARTS).where(PARTS.c.part == plain_text(part, LONGEST_PART))
    row = connection.execute(named.order_by(PARTS.c.begin_ns.desc(), PARTS.c.number.desc()).limit(1)).first()
    return part_documents(connection, [row])[0] if row is not None else None


def part_documents(connection: Connection, page: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Return parts as JSON has them, views in the order in which they were to come."""
    views = defaultdict(list)
    wanted = select(PART_VIEWS).where(PART_VIEWS.c.number.in_([row.number for row in page]))
    for row in connection.execute(wanted.order_by(PART_VIEWS.c.number, PART_VIEWS.c.place)):
        frame = id_text(row.came_ns, row.slot) if row.came_ns is not None else None
        views[row.number].append(View(row.view, row.verdict, frame))
    return [_document(row, views[row.number]) for row in page]


def _document(row: Row[Any], views: list[View]) -> dict[str, Any]:
    known = {
        "id": id_text(row.begin_ns, row.slot),
        "time": time_text(row.begin_ns),
        "part": row.part,
        "flowVersion": row.flow_version,
        "verdict": row.verdict,
    }
    return part_document(known, row.begin_ns, row.end_ns, row.why, views)
