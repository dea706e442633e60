"""Which runs are a server's own: where several write to one database, each counts and deletes its own alone."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, delete, select, true

from service.history.marks import is_of_this_machine, lives
from service.history.schema.tables import PICTURES, RUNS

_SILENT_NS = 60_000_000_000


class PictureFile(NamedTuple):
    """A file, by its name beneath the folder of pictures, and its size."""

    file: str
    size_bytes: int


class Own(NamedTuple):
    """A server, by its name; where it `shares_nothing`, all runs are its own, whatever it was called before."""

    server: str
    shares_nothing: bool

    @property
    def runs(self) -> ColumnElement[bool]:
        """Whether a run is its own."""
        return true() if self.shares_nothing else RUNS.c.server == self.server

    def rows(self, table: Table) -> ColumnElement[bool]:
        """Whether a row of `table`, which names a run, is its own."""
        return true() if self.shares_nothing else table.c.run.in_(select(RUNS.c.run).where(self.runs))

    def was_killed(self, mark: str, seen_ns: int, now_ns: int) -> bool:
        """Whether a run has ended that has not said so.

        Nobody can look for a process of another machine of this name, or of this one before it was started: it has
        ended once it has been silent for a minute, for all others say something every ten seconds.
        """
        if self.shares_nothing or is_of_this_machine(mark):
            return not lives(mark)
        return seen_ns < now_ns - _SILENT_NS

    def delete_oldest(  # noqa: PLR0917 - what, how many, and what goes with it
        self,
        connection: Connection,
        table: Table,
        time: str,
        before_ns: int | None,
        most: int,
        files: list[PictureFile] | None = None,
    ) -> int:
        """Delete rows, the oldest first, `most` at most: those from before, where that is given. Returns how many.

        To `files` those of their pictures are added.
        """
        number = table.c.number
        chosen = select(number).where(self.rows(table)).order_by(table.c[time]).limit(most)
        if before_ns is not None:
            chosen = chosen.where(table.c[time] < before_ns)
        if files is not None:
            kept = select(PICTURES.c.file, PICTURES.c.bytes).where(PICTURES.c.file.is_not(None))
            rows = connection.execute(kept.where(PICTURES.c.record.in_(chosen)))
            files += [PictureFile(row.file, row.bytes) for row in rows]
        return connection.execute(delete(table).where(number.in_(chosen))).rowcount
