"""Making room: which pictures go first, by bytes, by age, and where the disk gets full.

The oldest OK ones go first, with those of a line that was held, then the oldest of all others, and those about which
somebody has decided something, or which are in the project's proof, only where no other is left. A file goes before its
row says so: a crash in between leaves a row whose file is looked for once more, and never a file that nobody knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, or_, select

from service.history.pictures.folder import oldest_name
from service.history.pictures.rows import MADE_ROOM, TOO_OLD, files_of, say_gone
from service.history.schema.decision_tables import DECIDED
from service.history.schema.tables import PICTURES, RECORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Row

    from service.history.pictures.folder import PictureFolder
    from service.history.pictures.proofs import Proofs
    from service.history.pictures.rows import Own

_DAY_NS = 86_400_000_000_000
_SAYS_LITTLE = or_(RECORDS.c.verdict == "OK", RECORDS.c.held.is_not(None))
_KINDS = 3


class Gone(NamedTuple):
    """How many pictures went, and how many bytes."""

    pictures: int = 0
    bytes: int = 0


class Room:
    """Of one server. Up to which file of each kind none is there any more is remembered: none is sought twice."""

    def __init__(self, folder: PictureFolder, own: Own, proofs: Proofs) -> None:
        self._folder = folder
        self._own = own
        self._proofs = proofs
        self._floors = [""] * _KINDS

    def look_anew(self) -> None:
        """Look at all files once more: what was decided may have been taken back, and a proof be another one."""
        self._floors = [""] * _KINDS

    def make(self, connection: Connection, wanted_bytes: int, most: int) -> Gone:
        """Take away pictures of so many bytes, `most` at most; of fewer where no more are there."""
        found, last = Gone(), self._goes_last()
        order = ((_SAYS_LITTLE, ~last), (~_SAYS_LITTLE, ~last), (last,))
        for place, conditions in enumerate(order):
            if found.bytes >= wanted_bytes or found.pictures >= most:
                break
            rows = self._oldest(connection, (*conditions, PICTURES.c.file > self._floors[place]), most - found.pictures)
            chosen = []
            for row in rows:
                if found.bytes >= wanted_bytes:
                    break
                chosen.append(row)
                found = Gone(found.pictures + 1, found.bytes + row.bytes)
            if chosen:
                self._floors[place] = chosen[-1].file
            self._take_away(connection, chosen, MADE_ROOM)
        return found

    def end_old(self, connection: Connection, most_days: int, now_ns: int, most: int) -> Gone:
        """Take away those that are older than so many days, but none that goes last."""
        before = oldest_name(now_ns - most_days * _DAY_NS)
        rows = self._oldest(connection, (PICTURES.c.file < before, ~self._goes_last()), most)
        self._take_away(connection, rows, TOO_OLD)
        return Gone(len(rows), sum(row.bytes for row in rows))

    def _goes_last(self) -> ColumnElement[bool]:
        """Whether somebody has decided something about a picture's frame, or it is in the project's proof."""
        decided = PICTURES.c.record.in_(select(DECIDED.c.record))
        came = self._proofs.read()
        if not came:
            return decided
        return or_(decided, PICTURES.c.record.in_(select(RECORDS.c.number).where(RECORDS.c.came_ns.in_(came))))

    def _oldest(self, connection: Connection, conditions: tuple[Any, ...], most: int) -> Sequence[Row[Any]]:
        query = files_of(self._own)
        rows: Sequence[Row[Any]] = connection.execute(
            query.where(*conditions).order_by(PICTURES.c.file).limit(most)
        ).all()
        return rows

    def _take_away(self, connection: Connection, rows: Sequence[Row[Any]], why: str) -> None:
        for row in rows:
            self._folder.remove(row.file)
        say_gone(connection, rows, why)
