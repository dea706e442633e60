"""What the recorder writes, each call in one transaction: all of it is there afterwards, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.dialects import postgresql, sqlite

from service.history.database import open_to_write
from service.history.places.damage import is_damage, set_aside
from service.history.places.sqlite import file_of
from service.history.schema.tables import RECORDS, REFUSALS, UNKNOWN
from service.history.writing.frames import FrameWriter, insert_rows
from service.history.writing.own import Own, PictureFile
from service.history.writing.parts import forget_parts, write_parts
from service.history.writing.progress import Progress
from service.history.writing.rows import key_of, refusal_rows
from service.history.writing.runs import end_killed, end_run, note_seen, run_of
from service.results.record import Kind

if TYPE_CHECKING:
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
        upsert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[engine.dialect.name]
        self._frames = FrameWriter(upsert, server)
        self._progress = Progress(upsert, run, started_ns)

    @classmethod
    def begin(
        cls,
        place: Place,
        mark: str,
        started_ns: int,
        server: str = _SERVER,
        *,
        durable: bool = False,
        done: Callable[[], Mapping[int, int]] = dict,
    ) -> Self:
        """Open it for the server of this mark and name, which may have been here before; raises AnotherForm, too.

        `durable`: what is written outlasts a loss of power. `done` says up to which record of each front's ring all was
        written, for a database that takes the place of a damaged one.
        """
        engine = _open(place, durable=durable)
        try:
            with engine.begin() as connection:
                run, started_ns = run_of(connection, place, {"server": server, "mark": mark}, started_ns, done)
        except Exception:
            engine.dispose()
            raise
        return cls(engine, place, run, started_ns, server)

    def set_aside(self) -> None:
        """Be told that it is damaged, once it is closed."""
        if self._path is not None:
            set_aside(self._path, self._file)

    def look(self) -> None:
        """Raise FileNotFoundError where its file was taken away or replaced: what is written would be nowhere."""
        if self._path is not None and file_of(self._path) != self._file:
            raise FileNotFoundError(f"{self._path} was taken away")

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def write(
        self, records: Sequence[Record], seen_ns: int | None, is_there: Callable[[Record], bool] = lambda _: False
    ) -> Written:
        """Write what is not there yet; all that was answered before `seen_ns` is there then, where that is known.

        Frames of which `is_there` knows that they are there need not be looked for.
        """
        with self._writing() as connection:
            fresh, missed = self._progress.fresh(connection, records)
            frames = [one for one in fresh if one.head.kind is Kind.FRAME and not is_there(one)]
            written = self._frames.write(connection, self.run, frames) if frames else 0
            write_parts(connection, self.run, [one for one in fresh if one.head.kind is Kind.PART])
            refusals = [{**row, "run": self.run} for record in fresh for row in refusal_rows(record)]
            insert_rows(connection, REFUSALS, refusals)
            if refusals:
                self._frames.sums.add_refused(connection, refusals)
            if seen_ns is not None:
                note_seen(connection, self.run, seen_ns)
            return Written(written, missed)

    def write_asked(self, records: Sequence[Record]) -> Written:
        """Write frames that are in no ring yet, for their answers wait; those that are there stay as they are."""
        with self._writing() as connection:
            return Written(self._frames.write(connection, self.run, records), 0)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except BaseException:
            self._frames.forget()
            raise

    def give_up(self, record: Record) -> None:
        """Have it on record that this one could not be written, though the database is well."""
        with self._engine.begin() as connection:
            self._progress.fresh(connection, [record])
            row = {"begin_ns": key_of(record)[0], "end_ns": key_of(record)[0], "why": "fault", "count": 1}
            insert_rows(connection, UNKNOWN, [{"run": self.run, **row}])

    def saw(self, seen_ns: int) -> None:
        """Have it on record that all that was answered before is here."""
        with self._engine.begin() as connection:
            note_seen(connection, self.run, seen_ns)

    def settle(self, now_ns: int) -> int:
        """End the runs of servers that were killed: what became of their last frames is unknown. Returns how many."""
        with self._engine.begin() as connection:
            return end_killed(connection, self.own, self.run, self._started_ns, now_ns)

    def end(self, now_ns: int) -> None:
        """Have it on record that this server has ended, and all that it answered is here."""
        with self._engine.begin() as connection:
            end_run(connection, self.run, now_ns)

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
            if gone:
                forget_parts(connection, self.own, None, most)
            if oldest_ns:
                forget_parts(connection, self.own, oldest_ns, most)
                self.own.delete_oldest(connection, REFUSALS, "came_ns", oldest_ns, most)
                self.own.delete_oldest(connection, UNKNOWN, "begin_ns", oldest_ns, most)
                self._frames.sums.let_go(connection, oldest_ns)
        return Forgotten(gone, files)


def _open(place: Place, *, durable: bool) -> Engine:
    file = file_of(place) if isinstance(place, Path) else None
    try:
        return open_to_write(place, durable=durable)
    except Exception as error:
        if isinstance(place, Path) and is_damage(error):
            set_aside(place, file)
        raise
