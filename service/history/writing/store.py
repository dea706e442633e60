"""What the recorder writes, each call in one transaction: all of it is there afterwards, or nothing.

Up to which record the ring of a front is here stands beside its records, so nothing is here twice, whoever is killed
when; and where the next record is not the next one, those between are known to be missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from sqlalchemy import Connection, Engine, Table, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from service.history.database import open_to_write
from service.history.marks import lives
from service.history.tables import RECORDS, REFUSALS, RINGS, RUNS, UNKNOWN
from service.history.writing.frames import FrameWriter, insert_rows
from service.history.writing.parts import forget_parts, write_parts
from service.history.writing.rows import key_of, refusal_rows
from service.results.record import Kind

if TYPE_CHECKING:
    from service.results.record import Record

_DAY_NS = 86_400_000_000_000
_SERVER = "local"  # each has a database of its own


class Written(NamedTuple):
    """How many frames a batch has brought, and how many are known to be missing before or between them."""

    frames: int
    missed: int


class Store:
    """One server's way into the database; for one thread. Every method may raise what is_trouble knows."""

    def __init__(self, engine: Engine, path: Path, run: int, started_ns: int) -> None:
        self._engine = engine
        self._path = path
        self._file = _file_of(path)
        self._run = run
        self._started_ns = started_ns
        upserts: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
        self._upsert = upserts[engine.dialect.name]
        self._frames = FrameWriter(self._upsert)

    @classmethod
    def begin(cls, path: Path, mark: str, started_ns: int) -> Self:
        """Open it for the server of this mark, which may have been here before; raises AnotherForm, too."""
        engine = open_to_write(path)
        try:
            with engine.begin() as connection:
                mine = select(RUNS.c.run, RUNS.c.started_ns).where(RUNS.c.mark == mark)
                if connection.execute(mine).first() is None:
                    row = {"server": _SERVER, "mark": mark, "started_ns": started_ns, "seen_ns": started_ns}
                    connection.execute(insert(RUNS).values(row))
                run, started_ns = connection.execute(mine).one()
        except Exception:
            engine.dispose()
            raise
        return cls(engine, path, run, started_ns)

    def look(self) -> None:
        """Raise FileNotFoundError where its file was taken away or replaced: what is written would be nowhere."""
        if _file_of(self._path) != self._file:
            msg = f"{self._path} was taken away"
            raise FileNotFoundError(msg)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def write(self, records: Sequence[Record], seen_ns: int | None) -> Written:
        """Write what is not there yet; all that was answered before `seen_ns` is there then, where that is known."""
        try:
            with self._engine.begin() as connection:
                return self._write(connection, records, seen_ns)
        except BaseException:
            self._frames.forget()
            raise

    def give_up(self, record: Record) -> None:
        """Have it on record that this one could not be written, though the database is well."""
        with self._engine.begin() as connection:
            self._fresh(connection, [record])
            row = {"begin_ns": key_of(record)[0], "end_ns": key_of(record)[0], "why": "fault", "count": 1}
            insert_rows(connection, UNKNOWN, [{"run": self._run, **row}])

    def saw(self, seen_ns: int) -> None:
        """Have it on record that all that was answered before is here."""
        with self._engine.begin() as connection:
            self._saw(connection, seen_ns)

    def settle(self, now_ns: int) -> int:
        """End the runs of servers that were killed: what became of their last frames is unknown. Returns how many."""
        with self._engine.begin() as connection:
            open_runs = connection.execute(
                select(RUNS.c.run, RUNS.c.mark, RUNS.c.seen_ns).where(
                    RUNS.c.ended_ns.is_(None), RUNS.c.run != self._run, RUNS.c.server == _SERVER
                )
            ).all()
            killed = [row for row in open_runs if not lives(row.mark)]
            for row in killed:
                # one that was killed before this one began had nothing to answer since
                end_ns = self._started_ns if row.seen_ns <= self._started_ns else now_ns
                gap = {"run": row.run, "begin_ns": row.seen_ns, "end_ns": end_ns, "why": "killed", "count": None}
                insert_rows(connection, UNKNOWN, [gap])
                connection.execute(update(RUNS).where(RUNS.c.run == row.run).values(ended_ns=end_ns))
        return len(killed)

    def end(self, now_ns: int) -> None:
        """Have it on record that this server has ended, and all that it answered is here."""
        with self._engine.begin() as connection:
            connection.execute(update(RUNS).where(RUNS.c.run == self._run).values(seen_ns=now_ns, ended_ns=now_ns))

    def count(self) -> int:
        """How many frames there are."""
        with self._engine.begin() as connection:
            return connection.scalar(select(func.count()).select_from(RECORDS)) or 0

    def forget(self, most_days: int, surplus: int, now_ns: int, most: int) -> int:
        """Delete the oldest `surplus` frames and what is older than `most_days`, 0: of any age; `most` at a time.

        Returns how many frames.
        """
        oldest_ns = now_ns - most_days * _DAY_NS if most_days else 0
        with self._engine.begin() as connection:
            gone = _delete_oldest(connection, RECORDS, "came_ns", oldest_ns, most)
            if gone < min(surplus, most):
                gone += _delete_oldest(connection, RECORDS, "came_ns", None, min(surplus, most) - gone)
            if gone:
                forget_parts(connection, None, most)
            if oldest_ns:
                forget_parts(connection, oldest_ns, most)
                _delete_oldest(connection, REFUSALS, "came_ns", oldest_ns, most)
                _delete_oldest(connection, UNKNOWN, "begin_ns", oldest_ns, most)
        return gone

    def _write(self, connection: Connection, records: Sequence[Record], seen_ns: int | None) -> Written:
        fresh, missed = self._fresh(connection, records)
        if frames := [record for record in fresh if record.head.kind is Kind.FRAME]:
            self._frames.write(connection, self._run, frames)
        write_parts(connection, self._run, [record for record in fresh if record.head.kind is Kind.PART])
        refusals = [{**row, "run": self._run} for record in fresh for row in refusal_rows(record)]
        insert_rows(connection, REFUSALS, refusals)
        if seen_ns is not None:
            self._saw(connection, seen_ns)
        return Written(len(frames), missed)

    def _fresh(self, connection: Connection, records: Sequence[Record]) -> tuple[list[Record], int]:
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

    def _saw(self, connection: Connection, seen_ns: int) -> None:
        connection.execute(update(RUNS).where(RUNS.c.run == self._run).values(seen_ns=seen_ns))


def _file_of(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _delete_oldest(connection: Connection, table: Table, time: str, before_ns: int | None, most: int) -> int:
    number = table.c.number
    chosen = select(number).order_by(table.c[time]).limit(most)
    if before_ns is not None:
        chosen = chosen.where(table.c[time] < before_ns)
    return connection.execute(delete(table).where(number.in_(chosen))).rowcount
