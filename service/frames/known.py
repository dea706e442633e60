"""What is known of frames, as JSON has it: those of a page in short, one with all that hangs on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import Connection, func, select

from service.decisions.deciding import decided_of, decided_of_many
from service.decisions.resource import decisions_document
from service.history.lookup import documents
from service.history.schema.part_tables import PART_VIEWS, PARTS
from service.history.schema.tables import CONTEXTS, LABELS, PLACES, RECORDS, RUNS
from service.results.documents import id_text, time_text

if TYPE_CHECKING:
    from sqlalchemy import Row

_MOST_DIFFERENT = 100
_MOST_PARTS = 20  # of one name, about that time


def in_short(connection: Connection, page: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Return frames by their rows: as `framemill results --json` without contexts, with `decided` and `picture`."""
    numbers = [row.number for row in page]
    decided = decided_of_many(connection, numbers)
    found = documents(connection, page, with_context=False)
    for row, document in zip(page, found, strict=True):
        kind, truth = decided.get(row.number, (None, None))
        document["decided"] = None if kind is None else {"kind": kind, "truth": truth}
        document.setdefault("picture", None)
    return found


def in_full(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    """Return one frame: with its context, picture, places, decisions, and the part that it is a view of."""
    (document,) = documents(connection, [row], with_context=True)
    places = connection.execute(select(PLACES).where(PLACES.c.record == row.number).order_by(PLACES.c.place))
    sides = ("label", "x", "y", "width", "height")
    return {
        **document,
        "inputRevision": row.input_revision,
        "picture": document.get("picture"),
        "places": [{side: getattr(place, side) for side in sides} for place in places],
        "decisions": decisions_document(decided_of(connection, row)),
        "partOfViews": _part(connection, row),
    }


def context_of(connection: Connection, row: Row[Any]) -> Any:
    """Return the context of a frame as an object; None where it is not kept."""
    context = connection.scalar(select(CONTEXTS.c.context).where(CONTEXTS.c.record == row.number))
    return None if context is None else orjson.loads(context)


def cameras_of(connection: Connection) -> list[str]:
    """Return the names of cameras, some of them where there are very many."""
    return _different(connection, RECORDS.c.camera)


def servers_known(connection: Connection) -> list[str]:
    """Return the names of servers that write this history, or did; a server may have had several."""
    return _different(connection, RUNS.c.server)


def labels_known(connection: Connection) -> list[str]:
    """Return labels that frames have, some of them where there are very many."""
    return _different(connection, LABELS.c.label)


def _different(connection: Connection, column: Any) -> list[str]:
    """Return the values of an indexed column, each once: a step of the index for each, however many rows there are."""
    found: list[str] = []
    query = select(func.min(column))
    while len(found) < _MOST_DIFFERENT:
        value = connection.scalar(query.where(column > found[-1]) if found else query)
        if value is None:
            break
        found.append(value)
    return found


def _part(connection: Connection, row: Row[Any]) -> dict[str, Any] | None:
    """Return the part of several views that a frame is one of, if it is."""
    if row.part is None:
        return None
    columns = PARTS.c
    about_then = select(PARTS).where(columns.part == row.part, columns.run == row.run, columns.begin_ns <= row.came_ns)
    for part in connection.execute(about_then.order_by(columns.begin_ns.desc()).limit(_MOST_PARTS)):
        views = connection.execute(select(PART_VIEWS).where(PART_VIEWS.c.number == part.number)).all()
        if any((view.came_ns, view.slot) == (row.came_ns, row.slot) for view in views):
            held = _held_among(connection, row.run, views)
            return {
                "verdict": part.verdict,
                "begin": time_text(part.begin_ns),
                "end": time_text(part.end_ns),
                "views": [
                    {
                        "view": view.view,
                        "verdict": view.verdict,
                        "frame": None if view.came_ns is None else id_text(view.came_ns, view.slot),
                        "held": held.get((view.came_ns, view.slot)),
                    }
                    for view in views
                ],
            }
    return None


def _held_among(connection: Connection, run: int, views: Sequence[Row[Any]]) -> dict[tuple[int, int], str]:
    """Return the alerts that held the line when these views came: their NOK, and their part's, is not the machine's."""
    columns, came = RECORDS.c, [view.came_ns for view in views if view.came_ns is not None]
    query = select(columns.came_ns, columns.slot, columns.held)
    rows = connection.execute(query.where(columns.came_ns.in_(came), columns.run == run, columns.held.is_not(None)))
    return {(row.came_ns, row.slot): row.held for row in rows}
