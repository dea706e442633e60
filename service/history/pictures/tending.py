"""What is done for pictures between two batches of records: their rows, room for others, what a crash has left."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from service.history.pictures.keeping import GONE, Keeping
from service.history.pictures.looking import Looking
from service.history.pictures.proofs import Proofs
from service.history.pictures.room import Gone, Room
from service.history.pictures.rows import check_newest, settle, settle_killed, written
from service.history.told import PicturesTold

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from service.history.pictures.folder import PictureFolder
    from service.history.pictures.outcomes import Outcome
    from service.history.pictures.rows import Own
    from service.history.plan import PicturesPlan

_log = logging.getLogger(__name__)

_SAY_S = 60.0
_AGE_S = 10.0  # between two looks at what is too old
_AT_ONCE = 500
_MARGIN = 8  # of what is to stay free, or of all that may be kept, so much besides is made free at once


class Rows(Protocol):
    """The database, as far as pictures go."""

    run: int

    @property
    def own(self) -> Own:
        """Which rows are its server's own."""

    def transaction(self) -> AbstractContextManager[Connection]:
        """All of a block, or nothing."""


class Tending:
    """For one thread; what the database says is raised, and all of it is done again then."""

    def __init__(self, keeping: Keeping, folder: PictureFolder, plan: PicturesPlan, told_fd: int) -> None:
        self._keeping = keeping
        self._folder = folder
        self._plan = plan
        self._told_fd = told_fd
        self._proofs = Proofs(plan.proof_fd)
        self._told = PicturesTold.read(told_fd)
        self._looking = Looking(folder)
        self._outcomes: list[Outcome] = []
        self._forgotten = 0
        self._came_bytes = 0
        self._room: Room | None = None
        self._aged_at_s = self._said_at_s = float("-inf")

    def begin(self, rows: Rows) -> None:
        """See what a server that was killed has left."""
        lost = 0
        with self._despite_the_disk(), rows.transaction() as connection:
            self._folder.make()
            lost = settle_killed(connection, rows.run, rows.own, self._folder)
            lost += check_newest(connection, rows.own, self._folder)
        if lost:
            _log.warning("%d pictures were lost when a server or its machine was killed", lost)
        self._tell(self._told._replace(lost=self._told.lost + lost))

    def tend(self, rows: Rows, recorded_to: Mapping[int, int]) -> None:
        """Do what is due; of each front the records up to `recorded_to` are in the database, or never will be."""
        with self._despite_the_disk():
            self._settle(rows, recorded_to)
        with self._despite_the_disk():
            if self._looking.look(rows.transaction) and self._room is not None:
                self._room.look_anew()
        self.make_room(rows)
        total, held = self._looking.total_bytes, max(0, self._keeping.held_bytes)
        self._tell(self._told._replace(bytes=total or 0, held_bytes=held))

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
        self._outcomes += self._keeping.outcomes.take()
        forgotten = self._keeping.outcomes.forgotten - self._forgotten
        if not self._outcomes and not forgotten:
            self._keeping.outcomes.settled(())
            return
        found = [self._looked_for(one) for one in self._outcomes]
        with rows.transaction() as connection:
            there = settle(connection, rows.run, found)
        settled = [one for one in found if one.key in there]
        others = [one for one in found if one.key not in there]
        # their frames were gone before they could be recorded, or went at once
        nobodys = [one for one in others if one.sequence <= recorded_to.get(one.front, 0)]
        self._outcomes = [one for one in others if one.sequence > recorded_to.get(one.front, 0)]
        for one in nobodys:
            if one.file:
                self._folder.remove(one.file)
        self._forgotten += forgotten
        self._keeping.outcomes.settled([*settled, *nobodys])
        self._count(settled, len(nobodys) + forgotten)

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
        self._looking.add(came_bytes)
        told = self._told
        trouble = why.most_common(1)[0][0] if why else "" if kept else told.trouble
        lost += why.total()
        self._tell(told._replace(kept=told.kept + len(kept), lost=told.lost + lost, trouble=trouble or ""))

    def _taken_away(self, rows: Rows) -> Gone:
        plan, came_bytes, self._came_bytes = self._plan, self._came_bytes, 0
        self._room = self._room or Room(self._folder, rows.own, self._proofs)
        free_bytes, total = self._folder.free_bytes(), self._looking.total_bytes
        self._tell(self._told._replace(free_bytes=free_bytes))
        wanted = 0
        if plan.most_bytes and total is not None and total > plan.most_bytes - came_bytes:
            # as much as came since the last time may come until the next one
            wanted = total - plan.most_bytes + min(came_bytes, plan.most_bytes // _MARGIN)
        if free_bytes < plan.free_bytes:
            wanted = max(wanted, plan.free_bytes - free_bytes + plan.free_bytes // _MARGIN)
        if wanted > 0:
            with rows.transaction() as connection:
                return self._room.make(connection, wanted, _AT_ONCE)
        if not plan.most_days or time.monotonic() - self._aged_at_s < _AGE_S:
            return Gone()
        with rows.transaction() as connection:
            gone = self._room.end_old(connection, plan.most_days, time.time_ns(), _AT_ONCE)
        if gone.pictures < _AT_ONCE:
            self._aged_at_s = time.monotonic()
        return gone

    def _count_gone(self, gone: Gone) -> None:
        if gone.pictures:
            self._looking.add(-gone.bytes)
            self._tell(self._told._replace(made_room=self._told.made_room + gone.pictures))

    def _tell(self, told: PicturesTold) -> None:
        if told != self._told:
            self._told = told
            told.write(self._told_fd)
