"""Up to which record each front's ring is in the database: nothing is there twice, and what is missing is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from service.history.schema.tables import RINGS, UNKNOWN
from service.history.writing.frames import insert_rows
from service.history.writing.rows import key_of

if TYPE_CHECKING:
    from service.results.record import Record


class Progress:
    """That of the rings of a run; `upsert` makes an insert that can change what is there already."""

    def __init__(self, upsert: Any, run: int, started_ns: int) -> None:
        self._upsert = upsert
        self._run = run
        self._started_ns = started_ns

    def fresh(self, connection: Connection, records: Sequence[Record]) -> tuple[list[Record], int]:
        """Return those that are not here yet, and how many are missing; what is here then is noted."""
        rows = connection.execute(select(RINGS).where(RINGS.c.run == self._run))
        known = {row.front: (row.sequence, row.newest_ns) for row in rows}
        fresh, gaps = [], []
        for record in sorted(records, key=lambda one: (one.front, one.sequence)):
            came_ns = key_of(record)[0]
            sequence, newest_ns = known.get(record.front, (0, self._started_ns))
            if record.sequence <= sequence:
                continue
            if lost := record.sequence - sequence - 1:
                begin_ns, end_ns = sorted((newest_ns, came_ns))  # a clock may have been set
                gaps.append({"run": self._run, "begin_ns": begin_ns, "end_ns": end_ns, "why": "missed", "count": lost})
            known[record.front] = (record.sequence, came_ns)
            fresh.append(record)
        insert_rows(connection, UNKNOWN, gaps)
        if fresh:
            self._note(connection, known)
        return fresh, sum(gap["count"] for gap in gaps)

    def _note(self, connection: Connection, known: Mapping[int, tuple[int, int]]) -> None:
        statement = self._upsert(RINGS)
        update_to = {"sequence": statement.excluded.sequence, "newest_ns": statement.excluded.newest_ns}
        rows = [
            {"run": self._run, "front": front, "sequence": sequence, "newest_ns": newest_ns}
            for front, (sequence, newest_ns) in known.items()
        ]
        connection.execute(statement.on_conflict_do_update(index_elements=["run", "front"], set_=update_to), rows)


def begin_behind(connection: Connection, run: int, done: Mapping[int, int]) -> None:
    """Have a run begin behind records that were written to another database."""
    rows = [
        {"run": run, "front": front, "sequence": sequence, "newest_ns": 0} for front, sequence in sorted(done.items())
    ]
    insert_rows(connection, RINGS, rows)
