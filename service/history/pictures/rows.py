"""Rows of pictures: made with their frame, waiting; settled once it is known what became of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Connection, Select, bindparam, delete, insert, select, update

from service.history.pictures.folder import file_of
from service.history.schema.tables import PICTURES, RECORDS, RUNS
from service.results.documents import id_text

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Row, Table

    from service.history.pictures.folder import PictureFolder
    from service.history.pictures.outcomes import Outcome
    from service.results.record import Record

WAITING = "it is not written yet"
MADE_ROOM = "it made room for others"
TOO_OLD = "it was older than pictures_days"
NOT_WHOLE = "its file is not there, or not whole"
KILLED = "the server was killed before it was written"
MEDIA_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "bmp": "image/bmp",
    "tif": "image/tiff",
    "webp": "image/webp",
    "bin": "application/octet-stream",
}
_MOST = (1 << 63) - 1
_AT_ONCE = 500
_LOOKED_AT = 2000  # the newest ones: a loss of power takes half a minute's


class Own(Protocol):
    """Which runs and rows are a server's own, see writing/own.py."""

    @property
    def runs(self) -> ColumnElement[bool]:
        """Whether a run is."""

    def rows(self, table: Table) -> ColumnElement[bool]:
        """Whether a row of a table that names a run is."""


def write_waiting(connection: Connection, numbered: Sequence[tuple[int, Record]], why: Callable[[Record], str]) -> None:
    """Have it on record that the pictures of these frames, with the numbers of their rows, are to be kept."""
    rows = [
        {"record": number, "why": reason, "lost": WAITING, "bytes": 0}
        for number, record in numbered
        if (reason := why(record))
    ]
    if rows:
        connection.execute(insert(PICTURES), rows)


def take_back(connection: Connection, number: int) -> None:
    """Say nothing of the picture of a frame that ended as an error after all: nobody will keep it."""
    connection.execute(delete(PICTURES).where(PICTURES.c.record == number, PICTURES.c.lost == WAITING))


def settle(connection: Connection, run: int, outcomes: Sequence[Outcome]) -> set[tuple[int, int]]:
    """Write what became of pictures; returns of which records (front and sequence), the others are not there (yet)."""
    found: set[tuple[int, int]] = set()
    for begin in range(0, len(outcomes), _AT_ONCE):
        found |= _settle(connection, run, outcomes[begin : begin + _AT_ONCE])
    return found


def _settle(connection: Connection, run: int, outcomes: Sequence[Outcome]) -> set[tuple[int, int]]:
    columns = RECORDS.c
    times = {min(one.came_ns, _MOST) for one in outcomes}
    query = select(columns.number, columns.came_ns, columns.slot, PICTURES.c.record).outerjoin(
        PICTURES, PICTURES.c.record == columns.number
    )
    rows = connection.execute(query.where(columns.came_ns.in_(times), columns.run == run))
    known = {(row.came_ns, row.slot): row for row in rows}
    there = [(row, one) for one in outcomes if (row := known.get((min(one.came_ns, _MOST), one.slot)))]
    changed = [{"of": row.number, **_values(one)} for row, one in there if row.record is not None]
    if changed:
        connection.execute(update(PICTURES).where(PICTURES.c.record == bindparam("of")), changed)
    # one that was recorded before it was known whose picture is to be kept
    added = [{"record": row.number, "why": one.why, **_values(one)} for row, one in there if row.record is None]
    if added:
        connection.execute(insert(PICTURES), added)
    return {one.key for _, one in there}


def _values(one: Outcome) -> dict[str, Any]:
    names = ("file", "lost", "media_type", "bytes", "width", "height", "pixel_format")
    return {name: getattr(one, name) for name in names}


def settle_killed(connection: Connection, run: int, own: Own, folder: PictureFolder) -> int:
    """Say what became of pictures whose server was killed while they waited; returns how many are lost."""
    columns = RECORDS.c
    query = (
        select(columns.number, columns.came_ns, columns.slot)
        .join(PICTURES, PICTURES.c.record == columns.number)
        .join(RUNS, RUNS.c.run == columns.run)
        .where(PICTURES.c.lost == WAITING, own.runs, RUNS.c.run != run, RUNS.c.ended_ns.is_not(None))
    )
    lost = 0
    for row in connection.execute(query).all():
        found = written(folder, row.came_ns, row.slot)
        values = {"lost": KILLED} if found is None else {"lost": None, **found}
        connection.execute(update(PICTURES).where(PICTURES.c.record == row.number).values(values))
        lost += found is None
    return lost


def written(folder: PictureFolder, came_ns: int, slot: int) -> dict[str, Any] | None:
    """Return columns of a picture that was written before anybody could say so; None where there is none."""
    for ending, media_type in MEDIA_TYPES.items():
        file = file_of(id_text(came_ns, slot), came_ns, ending)
        size_bytes = folder.size_bytes(file)
        if size_bytes:
            return {"file": file, "media_type": media_type, "bytes": size_bytes}
    return None


def check_newest(connection: Connection, own: Own, folder: PictureFolder) -> int:
    """Look whether the newest files are whole, for power may have failed; returns how many are not."""
    query = files_of(own)
    rows = connection.execute(query.order_by(PICTURES.c.file.desc()).limit(_LOOKED_AT)).all()
    damaged = [row for row in rows if folder.size_bytes(row.file) != row.bytes]
    say_gone(connection, damaged, NOT_WHOLE)
    for row in damaged:
        folder.remove(row.file)
    return len(damaged)


def files_of(own: Own) -> Select[tuple[int, str, int]]:
    """Return a query for pictures that a server has as files."""
    query = select(PICTURES.c.record, PICTURES.c.file, PICTURES.c.bytes)
    there = PICTURES.c.file.is_not(None)
    return query.join(RECORDS, RECORDS.c.number == PICTURES.c.record).where(there, own.rows(RECORDS))


def say_gone(connection: Connection, rows: Sequence[Row[Any]], why: str) -> None:
    """Have it on record that these pictures, by their `record`, are files no more."""
    numbers = [row.record for row in rows]
    for begin in range(0, len(numbers), _AT_ONCE):
        chosen = PICTURES.c.record.in_(numbers[begin : begin + _AT_ONCE])
        connection.execute(update(PICTURES).where(chosen).values(file=None, lost=why))
