"""What the recorder writes, each call in one transaction: all of it is there afterwards, or nothing.

Up to which record the ring of a front is here stands beside its records, so nothing is here twice, whoever is killed
when; and where the next record is not the next one, those between are known to be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from sqlalchemy import Connection, Engine, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from service.history.database import open_to_write
from service.history.places.sqlite import file_of
from service.history.tables import RECORDS, REFUSALS, RINGS, RUNS, UNKNOWN
from service.history.writing.frames import FrameWriter, insert_rows
from service.history.writing.own import Own, PictureFile
from service.history.writing.rows import key_of, refusal_rows
from service.results.record import Kind

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from service.history.places.place import Place
    from service.results.record import Record

_DAY_NS = 86_400_000_000_000
_SERVER = "local"


class Written(NamedTuple):
    """How many frames a batch has brought, and how many are known to be missing before or between them."""

    frames: int
    missed: int


class Forgotten(NamedTuple):
    """How many frames are no more, and the files of their pictures."""

    frames: int
    files: list[PictureFile]


class Store:
    """One server's way into the database; for one thread. Every method may raise what is_trouble knows."""

    def __init__(self, engine: Engine, place: Place, run: int, started_ns: int, server: str) -> None:
        self._engine = engine
        self._path = place if isinstance(place, Path) else None
        self._file = file_of(place) if isinstance(place, Path) else None
        self.run = run
        self._started_ns = started_ns
        self.own = Own(server, shares_nothing=self._path is not None)
        upserts: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
        self._upsert = upserts[engine.dialect.name]
        self._frames = FrameWriter(self._upsert)

    @classmethod
    def begin(cls, place: Place, mark: str, started_ns: int, server: str = _SERVER, *, durable: bool = False) -> Self:
        """Open it for the server of this mark and name, which may have been here before; raises AnotherForm, too.

        `durable`: what is written outlasts a loss of power.
        """
        engine = open_to_write(place, durable=durable)
        try:
            with engine.begin() as connection:
                mine = select(RUNS.c.run, RUNS.c.started_ns).where(RUNS.c.mark == mark)
                if connection.execute(mine).first() is None:
                    row = {"server": server, "mark": mark, "started_ns": started_ns, "seen_ns": started_ns}
                    connection.execute(insert(RUNS).values(row))
                run, started_ns = connection.execute(mine).one()
        except Exception:
            engine.dispose()
            raise
        return cls(engine, place, run, started_ns, server)

    def look(self) -> None:
        """Raise FileNotFoundError where its file was taken away or replaced: what is written would be nowhere."""
        if self._path is not None and file_of(self._path) != self._file:
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
            insert_rows(connection, UNKNOWN, [{"run": self.run, **row}])

    def saw(self, seen_ns: int) -> None:
        """Have it on record that all that was answered before is here."""
        with self._engine.begin() as connection:
            self._saw(connection, seen_ns)

    def settle(self, now_ns: int) -> int:
        """End the runs of servers that were killed: what became of their last frames is unknown. Returns how many."""
        with self._engine.begin() as connection:
            open_runs = connection.execute(
                select(RUNS.c.run, RUNS.c.mark, RUNS.c.seen_ns).where(
                    RUNS.c.ended_ns.is_(None), RUNS.c.run != self.run, self.own.runs
                )
            ).all()
            killed = [row for row in open_runs if self.own.was_killed(row.mark, row.seen_ns, now_ns)]
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
            connection.execute(update(RUNS).where(RUNS.c.run == self.run).values(seen_ns=now_ns, ended_ns=now_ns))

    def transaction(self) -> AbstractContextManager[Connection]:
        """Write what hangs on frames: all of a block, or nothing."""
        return self._engine.begin()

    def keep_pictures(self, why: Callable[[Record], str]) -> Self:
        """Be told who says of frames why their pictures are to be kept."""
        self._frames.why_kept = why
        return self

    def count(self) -> int:
        """How many frames of this server there are."""
        with self._engine.begin() as connection:
            return connection.scalar(select(func.count()).select_from(RECORDS).where(self.own.rows(RECORDS))) or 0

    def forget(self, most_days: int, surplus: int, now_ns: int, most: int) -> Forgotten:
        """Delete the oldest `surplus` frames and what is older than `most_days`, 0: of any age; `most` at a time.

        Returns how many frames, and the files of their pictures, which are left to whoever has written them.
        """
        files: list[PictureFile] = []
        oldest_ns = now_ns - most_days * _DAY_NS if most_days else 0
        with self._engine.begin() as connection:
            gone = self.own.delete_oldest(connection, RECORDS, "came_ns", oldest_ns, most, files)
            if gone < min(surplus, most):
                gone += self.own.delete_oldest(connection, RECORDS, "came_ns", None, min(surplus, most) - gone, files)
            if oldest_ns:
                self.own.delete_oldest(connection, REFUSALS, "came_ns", oldest_ns, most)
                self.own.delete_oldest(connection, UNKNOWN, "begin_ns", oldest_ns, most)
        return Forgotten(gone, files)

    def _write(self, connection: Connection, records: Sequence[Record], seen_ns: int | None) -> Written:
        fresh, missed = self._fresh(connection, records)
        if frames := [record for record in fresh if record.head.kind is Kind.FRAME]:
            self._frames.write(connection, self.run, frames)
        refusals = [{**row, "run": self.run} for record in fresh for row in refusal_rows(record)]
        insert_rows(connection, REFUSALS, refusals)
        if seen_ns is not None:
            self._saw(connection, seen_ns)
        return Written(len(frames), missed)

    def _fresh(self, connection: Connection, records: Sequence[Record]) -> tuple[list[Record], int]:
        """Return those that are not here yet, and how many are missing; what is here then is noted."""
        rows = connection.execute(select(RINGS).where(RINGS.c.run == self.run))
        known = {row.front: (row.sequence, row.newest_ns) for row in rows}
        fresh, gaps = [], []
        for record in sorted(records, key=lambda one: (one.front, one.sequence)):
            came_ns = key_of(record)[0]
            sequence, newest_ns = known.get(record.front, (0, self._started_ns))
            if record.sequence <= sequence:
                continue
            if lost := record.sequence - sequence - 1:
                begin_ns, end_ns = sorted((newest_ns, came_ns))  # a clock may have been set
                gaps.append({"run": self.run, "begin_ns": begin_ns, "end_ns": end_ns, "why": "missed", "count": lost})
            known[record.front] = (record.sequence, came_ns)
            fresh.append(record)
        insert_rows(connection, UNKNOWN, gaps)
        if fresh:
            _note(connection, self._upsert, self.run, known)
        return fresh, sum(gap["count"] for gap in gaps)

    def _saw(self, connection: Connection, seen_ns: int) -> None:
        connection.execute(update(RUNS).where(RUNS.c.run == self.run).values(seen_ns=seen_ns))


def _note(connection: Connection, upsert: Any, run: int, known: Mapping[int, tuple[int, int]]) -> None:
    statement = upsert(RINGS)
    update_to = {"sequence": statement.excluded.sequence, "newest_ns": statement.excluded.newest_ns}
    rows = [
        {"run": run, "front": front, "sequence": sequence, "newest_ns": newest_ns}
        for front, (sequence, newest_ns) in known.items()
    ]
    connection.execute(statement.on_conflict_do_update(index_elements=["run", "front"], set_=update_to), rows)
