"""A frame's id, as answers and records have it, and its row in the history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from service.history.schema.tables import RECORDS
from service.own_errors import NotFound
from service.results.documents import key_in

if TYPE_CHECKING:
    from sqlalchemy import Row

_SLOT_BITS = 0xFF


def row_of(connection: Connection, frame_id: str, *, to_decide: bool = False) -> Row[Any]:
    """Return a frame's row of RECORDS; `to_decide` has others wait for the end of this transaction to do the same.

    Raises:
        NotFound: there is no such frame, or not any more.
    """
    if (found := key_in(frame_id)) is not None:
        came_ns, slot = found
        query = select(RECORDS).where(RECORDS.c.came_ns == came_ns).order_by(RECORDS.c.number.desc())
        for row in connection.execute(query.with_for_update() if to_decide else query):
            if row.slot & _SLOT_BITS == slot:
                return row
    raise NotFound(f"there is no frame {frame_id[:40]!r} in the history, or not any more")
