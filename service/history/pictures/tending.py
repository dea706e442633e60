"""What who writes records does for pictures, between two batches: their rows, room for others, what a crash has left."""

from __future__ import annotations

import logging
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import select

from service.history.pictures.keeping import GONE, Keeping, Outcome
from service.history.pictures.room import Gone, Room
from service.history.pictures.rows import check_newest, settle, settle_killed, written
from service.history.tables import PICTURES
from service.history.told import PicturesTold

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from service.history.pictures.folder import Found, PictureFolder
    from service.history.plan import PicturesPlan

_log = logging.getLogger(__name__)

_LOOK_S = 600.0  # at all files: how much there is, and whether any is nobody's
_SAY_S = 60.0
_AT_ONCE = 500
_FORGOTTEN_S = 600.0  # a file without a row, which another server that ends may still write
_SCANNED = 2000  # files at a time
_AGE_S = 10.0  # between two looks at what is too old
_MARGIN = 8  # of what is to stay free, so much besides is made free at once


class Rows(Protocol):
    """The database, as far as pictures go."""

    run: int
    server: str

    def transaction(self) -> AbstractContextManager[Connection]:
        """All of a block, or nothing."""


class Tending:
    """For one thread; each method may raise what is_trouble knows, and is called again then."""

    def __init__(self, keeping: Keeping, folder: PictureFolder, plan: PicturesPlan, told_fd: int) -> None:
        self._keeping = keeping
        self._folder = folder
        self._plan = plan
        self._told_fd = told_fd
        self._told = PicturesTold.read(told_fd)
        self._outcomes: list[Outcome] = []
        self._dropped = 0
        self._total_bytes: int | None = None  # not known before all files were looked at
        self._came_bytes = 0
        self._scan: Iterator[Found] | None = None
        self._scanned_bytes = 0
        self._scan_at_s = float("-inf")
        self._room: Room | None = None
        self._is_checked = False
        self._aged_at_s = float("-inf")
        self._said_at_s = float("-inf")

    def begin(self, rows: Rows) -> None:
        """See what a server that was killed has left; once."""
        if self._is_checked:
            return
        lost = 0
        with self._despite_the_disk(), rows.transaction() as connection:
            self._folder.make()
            lost = settle_killed(connection, rows.run, rows.server, self._folder)
            lost += check_newest(connection, rows.server, self._folder)
        if lost:
            _log.warning("%d pictures were lost when a server or its machine was killed", lost)
        self._tell(self._told._replace(lost=self._told.lost + lost))
        self._is_checked = True

    def tend(self, rows: Rows, recorded_to: Mapping[int, int]) -> None:
        """Do what is due; of each front the records up to `recorded_to` are in the database, or never will be."""
        with self._despite_the_disk():
            self._settle(rows, recorded_to)
        with self._despite_the_disk():
            self._scan_on(rows)
        self.make_room(rows)
        self._tell(
            self._told._replace(
                bytes=self._total_bytes or 0,
                held_bytes=max(0, self._keeping.held_bytes),
                free_bytes=self._keeping.free_bytes,
            )
        )

    def make_room(self, rows: Rows) -> None:
        """Take pictures away where they are too many, too old, or the disk is too full."""
        with self._despite_the_disk():
            self._count_gone(self._taken_away(rows))

    def end_with_frames(self, files: Sequence[tuple[str, int]]) -> None:
        """Take away files, with their sizes, whose frames the history has no more."""
        with self._despite_the_disk():
            for file, _ in files:
                self._folder.remove(file)
        self._count_gone(Gone(len(files), sum(size for _, size in files)))

    @contextmanager
    def _despite_the_disk(self) -> Iterator[None]:
        """Whatever the disk of pictures says: records go on."""
        try:
            yield
        except OSError as error:
            self._tell(self._told._replace(trouble=str(error)))
            if time.monotonic() - self._said_at_s >= _SAY_S:
                self._said_at_s = time.monotonic()
                _log.error("the folder of pictures cannot be used: %s", error)

    def _settle(self, rows: Rows, recorded_to: Mapping[int, int]) -> None:
        self._outcomes += self._keeping.take()
        lost = self._keeping.dropped - self._dropped
        if not self._outcomes and not lost:
            return
        found = [self._looked_for(one) for one in self._outcomes]
        with rows.transaction() as connection:
            there = settle(connection, rows.run, found)
        settled = [one for one in found if (one.front, one.sequence) in there]
        waiting = [one for one in found if (one.front, one.sequence) not in there]
        nobodys = [one for one in waiting if one.sequence <= recorded_to.get(one.front, 0)]
        self._outcomes = [one for one in waiting if one.sequence > recorded_to.get(one.front, 0)]
        for one in nobodys:  # its frame was gone before it could be recorded
            if one.file:
                self._folder.remove(one.file)
        self._dropped += lost
        self._keeping.settled([*settled, *nobodys])
        self._count(settled, len(nobodys) + lost)

    def _looked_for(self, one: Outcome) -> Outcome:
        """A recorder that was killed may have written it, and nobody has heard of that."""
        if one.lost != GONE or (found := written(self._folder, one.came_ns, one.slot)) is None:
            return one
        return one._replace(lost=None, **found)

    def _count(self, settled: list[Outcome], lost: int) -> None:
        kept = [one for one in settled if one.file]
        why = Counter(one.lost for one in settled if one.lost)
        came_bytes = sum(one.bytes for one in kept)
        self._came_bytes += came_bytes
        if self._total_bytes is not None:
            self._total_bytes += came_bytes
        elif self._scan is not None:
            self._scanned_bytes += came_bytes
        told = self._told
        trouble = why.most_common(1)[0][0] if why else "" if kept else told.trouble
        lost += why.total()
        self._tell(told._replace(kept=told.kept + len(kept), lost=told.lost + lost, trouble=trouble or ""))

    def _scan_on(self, rows: Rows) -> None:
        """Look at some of the files: how many bytes they are, and which nobody knows."""
        now_s = time.monotonic()
        if self._scan is None:
            if now_s - self._scan_at_s < _LOOK_S:
                return
            self._scan_at_s, self._scanned_bytes, self._scan = now_s, 0, self._folder.tidy()
            if self._room:
                self._room.look_anew()
        some = [found for _, found in zip(range(_SCANNED), self._scan, strict=False)]
        self._scanned_bytes += sum(one.size_bytes for one in some)
        self._end_forgotten(rows, some)
        if len(some) < _SCANNED:
            self._total_bytes, self._scan = self._scanned_bytes, None

    def _end_forgotten(self, rows: Rows, some: list[Found]) -> None:
        old = {one.file: one for one in some if one.age_s > _FORGOTTEN_S}
        names = [*old]
        with rows.transaction() as connection:
            for begin in range(0, len(names), _AT_ONCE):
                known = select(PICTURES.c.file).where(PICTURES.c.file.in_(names[begin : begin + _AT_ONCE]))
                for file in connection.scalars(known):
                    del old[file]
        for one in old.values():
            self._folder.remove(one.file)
            self._scanned_bytes -= one.size_bytes
        if old:
            _log.warning("%d pictures that no frame in the history has were taken away", len(old))

    def _taken_away(self, rows: Rows) -> Gone:
        plan, came_bytes, self._came_bytes = self._plan, self._came_bytes, 0
        self._room = self._room or Room(self._folder, rows.server)
        self._keeping.free_bytes = free_bytes = self._folder.free_bytes()
        wanted = 0
        if plan.most_bytes and self._total_bytes is not None and self._total_bytes > plan.most_bytes - came_bytes:
            # as much as came between this time and the last: as much may come until the next
            wanted = self._total_bytes - plan.most_bytes + min(came_bytes, plan.most_bytes // _MARGIN)
        if free_bytes < plan.free_bytes:
            wanted = max(wanted, plan.free_bytes - free_bytes + plan.free_bytes // _MARGIN)
        if wanted > 0:
            with rows.transaction() as connection:
                return self._room.make(connection, wanted, _AT_ONCE)
        if not plan.most_days or time.monotonic() - self._aged_at_s < _AGE_S:
            return Gone()
        with rows.transaction() as connection:
            gone = self._room.end_old(connection, plan.most_days, time.time_ns(), _AT_ONCE)
        if gone.count < _AT_ONCE:
            self._aged_at_s = time.monotonic()
        return gone

    def _count_gone(self, gone: Gone) -> None:
        if not gone.count:
            return
        if self._total_bytes is not None:
            self._total_bytes = max(0, self._total_bytes - gone.bytes)
        self._tell(self._told._replace(made_room=self._told.made_room + gone.count))

    def _tell(self, told: PicturesTold) -> None:
        if told != self._told:
            self._told = told
            told.write(self._told_fd)
