"""The last picture that was kept of a camera, to show where on a part things lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select

from service.history.schema.tables import PICTURES, RECORDS
from service.results.documents import id_text

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from service.statistics.asked import Wanted

_MOST_LOOKED_AT = 500


class KeptPicture(NamedTuple):
    """Of which frame, and how large."""

    frame_id: str
    width: int
    height: int


def last_picture(connection: Connection, wanted: Wanted) -> KeptPicture | None:
    """Return it, if there is one among the last that were kept; without a camera of any."""
    columns = PICTURES.c
    newest = (
        select(columns.record, columns.width, columns.height)
        .where(columns.file.is_not(None), columns.width > 0, columns.height > 0)
        .order_by(columns.record.desc())
        .limit(_MOST_LOOKED_AT)
        .subquery()
    )
    query = select(RECORDS.c.came_ns, RECORDS.c.slot, newest.c.width, newest.c.height).join(
        newest, newest.c.record == RECORDS.c.number
    )
    if wanted.camera is not None:
        query = query.where(RECORDS.c.camera == wanted.camera)
    row = connection.execute(query.order_by(newest.c.record.desc()).limit(1)).first()
    return KeptPicture(id_text(row.came_ns, row.slot), row.width, row.height) if row else None
