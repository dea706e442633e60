"""What is known of frames, as JSON has it: those of a page in short, one with all that hangs on it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from service.decisions.deciding import decided_of, decided_of_many
from service.decisions.resource import decisions_document
from service.history.frame_id import id_of
from service.history.lookup import documents, time_text
from service.history.part_tables import PART_VIEWS, PARTS
from service.history.tables import PICTURES, PLACES

if TYPE_CHECKING:
    from sqlalchemy import Row

_MOST_PARTS = 20  # of one name, about that time


def in_short(connection: Connection, page: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Return frames by their rows: as `framemill results --json` without contexts, with `decided` and `picture`."""
    numbers = [row.number for row in page]
    decided, pictures = decided_of_many(connection, numbers), _pictures(connection, numbers)
    found = documents(connection, page, with_context=False)
    for row, document in zip(page, found, strict=True):
        kind, truth = decided.get(row.number, (None, None))
        document["decided"] = None if kind is None else {"kind": kind, "truth": truth}
        document["picture"] = pictures.get(row.number)
    return found


def in_full(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    """Return one frame: with its context, picture, places, decisions, and the part that it is a view of."""
    (document,) = documents(connection, [row], with_context=True)
    places = connection.execute(select(PLACES).where(PLACES.c.record == row.number).order_by(PLACES.c.place))
    sides = ("label", "x", "y", "width", "height")
    return {
        **document,
        "inputRevision": row.input_revision,
        "picture": _pictures(connection, [row.number]).get(row.number),
        "places": [{side: getattr(place, side) for side in sides} for place in places],
        "decisions": decisions_document(decided_of(connection, row)),
        "partOfViews": _part(connection, row),
    }


def _pictures(connection: Connection, numbers: Collection[int]) -> dict[int, dict[str, Any]]:
    rows = connection.execute(select(PICTURES).where(PICTURES.c.record.in_(numbers)))
    return {
        row.record: {
            "isThere": row.file is not None,
            "why": row.why,
            "lost": row.lost,
            "mediaType": row.media_type,
            "bytes": row.bytes,
            "width": row.width,
            "height": row.height,
            "pixelFormat": row.pixel_format,
        }
        for row in rows
    }


def _part(connection: Connection, row: Row[Any]) -> dict[str, Any] | None:
    """Return the part of several views that a frame is one of, if it is."""
    if row.part is None:
        return None
    columns = PARTS.c
    about_then = select(PARTS).where(columns.part == row.part, columns.run == row.run, columns.begin_ns <= row.came_ns)
    for part in connection.execute(about_then.order_by(columns.begin_ns.desc()).limit(_MOST_PARTS)):
        views = connection.execute(select(PART_VIEWS).where(PART_VIEWS.c.number == part.number)).all()
        if any((view.came_ns, view.slot) == (row.came_ns, row.slot) for view in views):
            return {
                "verdict": part.verdict,
                "begin": time_text(part.begin_ns),
                "end": time_text(part.end_ns),
                "views": [
                    {
                        "view": view.view,
                        "verdict": view.verdict,
                        "frame": None if view.came_ns is None else id_of(view.came_ns, view.slot),
                    }
                    for view in views
                ],
            }
    return None
