"""The recorder's work: reads what became of each frame and has it written, a batch at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from service.history.recording.trying import GivenUp, Trying

if TYPE_CHECKING:
    from service.history.recording.with_pictures import Pictures
    from service.history.writing.store import Store, Written
    from service.results.follow import Follower
    from service.results.record import Record

_log = logging.getLogger(__name__)

BATCH_S = 0.2
AT_ONCE = 1000
_IDLE_S = 1.0
_SEEN_S = 10.0  # a write now and then while nothing comes: it bounds what is unknown after a kill
_COUNT_S = 60.0
_FORGET = 500  # at a time: a batch waits for it


class Recording(Trying):
    """For one thread, see Trying. It keeps frames for `most_days`, and `most_records` of them; 0: no limit."""

    def __init__(
        self,
        follower: Follower,
        open_store: Callable[[], Store],
        told_fd: int,
        *,
        must_end: Callable[[], bool],
        most_days: int,
        most_records: int,
        pictures: Pictures,
    ) -> None:
        super().__init__(follower, open_store, told_fd, must_end)
        self._most_days = most_days
        self._most_records = most_records
        self._pictures = pictures
        self._frames = 0
        self._written = 0
        self._seen_at_s = self._counted_at_s = float("-inf")

    def run(self) -> bool:
        """Record until the server ends; returns whether all of it is there."""
        try:
            self._try(lambda store: store.settle(time.time_ns()))
            self._try(self._pictures.begin)
            while not self._is_ending:
                self._turn()
            self._finish()
            self._pictures.end()
            self._tend_pictures()
            # the end of a supervisor that was killed is seen here a moment before this process is killed, too
            if self._must_end():
                self._try(lambda store: store.end(time.time_ns()))
        except GivenUp:
            _log.error("the history has not all of the last frames: the database was away when the server ended")
            return False
        finally:
            self._close()
        return True

    def _turn(self) -> None:
        self._follower.wait(_IDLE_S)
        if self._follower.behind < AT_ONCE and not self._is_ending:
            time.sleep(BATCH_S)  # so that those that come now share a transaction
        self._write_batch(AT_ONCE)
        self._keep_house()

    def _finish(self) -> None:
        """Write what came until the end."""
        while self._follower.behind:
            self._write_batch(AT_ONCE)

    def _write_batch(self, most: int) -> None:
        now_ns = time.time_ns()
        records = self._follower.read(most)
        seen_ns = None if self._follower.behind else now_ns
        if records:
            self._write(records, seen_ns)
            self._follower.done()
            self._seen_at_s = time.monotonic()
        self._written = len(records)

    def _write(self, records: list[Record], seen_ns: int | None) -> None:
        try:
            self._count(self._try(lambda store: store.write(records, seen_ns, self._is_there)))
        except GivenUp:
            raise
        except Exception:  # noqa: BLE001 - whatever it was, all others are to be recorded
            if len(records) > 1:  # one of them cannot be written: all others can
                for record in records:
                    self._write([record], seen_ns if record is records[-1] else None)
                return
            _log.exception("a fault of ours: frame %s cannot be recorded", records[0].id)
            self._try(lambda store: store.give_up(records[0]))
            self._tell(self._told._replace(missed=self._told.missed + 1))

    def _count(self, written: Written) -> None:
        self._frames += written.frames
        told = self._told
        if written.missed:
            _log.warning("%d frames were gone before they could be recorded", written.missed)
        self._tell(told._replace(recorded=told.recorded + written.frames, missed=told.missed + written.missed))

    def _tend_pictures(self) -> None:
        self._try(lambda store: self._pictures.tend(store, self._follower.cursors))

    def _note(self, error: Exception) -> None:
        if self._store is not None:
            self._pictures.make_room(self._store)  # it may be the disk that is full
        super()._note(error)

    def _keep_house(self) -> None:
        """What need not be done with each batch."""
        self._tend_pictures()
        now_s, now_ns = time.monotonic(), time.time_ns()
        if now_s - self._seen_at_s >= _SEEN_S and not self._follower.behind:
            self._try(lambda store: store.saw(now_ns))
            self._seen_at_s = now_s
        is_time = now_s - self._counted_at_s >= _COUNT_S
        if is_time:
            self._try(lambda store: store.look())
            self._try(lambda store: store.settle(now_ns))
            self._frames = self._try(lambda store: store.count())
            self._counted_at_s = now_s
        surplus = max(0, self._frames - self._most_records) if self._most_records else 0
        if surplus or is_time:
            most = max(_FORGET, 2 * self._written)
            gone = self._try(lambda store: store.forget(self._most_days, surplus, now_ns, most))
            self._pictures.end_with_frames(gone.files)
            self._frames -= gone.frames
            if gone.frames >= most:
                self._counted_at_s = float("-inf")  # there may be more

    def _is_there(self, record: Record) -> bool:
        """Whether it is known without asking that this one is in the database, as it is."""
        del record
        return False
