"""The recorder's work: reads what became of each frame and has it written, a batch at a time.

Where the database cannot be written to it waits and tries again, and the frames are in nobody's way meanwhile: the
ring keeps the last of them, and what it could not keep is counted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from service.history.database import is_trouble, told_of
from service.history.told import State, Told

if TYPE_CHECKING:
    from service.history.writing.store import Store, Written
    from service.history.writing.with_pictures import Pictures
    from service.results.follow import Follower
    from service.results.record import Record

_log = logging.getLogger(__name__)

_BATCH_S = 0.2
_AT_ONCE = 1000
_IDLE_S = 1.0
_SEEN_S = 10.0  # a write now and then while nothing comes: it bounds what is unknown after a kill
_COUNT_S = 60.0
_FORGET = 500  # at a time: a batch waits for it
_PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0)
_SAY_S = 60.0
_LAST_TRIES_S = 2.0
_NS = 1_000_000_000

_T = TypeVar("_T")


class _GivenUp(Exception):
    """The server ends, and the database is still away."""


class _Page:
    """What fronts are told."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.told = Told.read(fd)

    def tell(self, told: Told) -> None:
        """Tell it, if it is new."""
        if told != self.told:
            if told.state is State.RECORDING and self.told.state is State.WAITING:
                _log.info("the history can be written again")
            self.told = told
            told.write(self._fd)


class Recording:
    """For one thread. `open_store` opens the database anew; `told_fd` is the page that fronts read.

    `must_end` says whether the server has asked the recorder to end.
    """

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
        self._follower = follower
        self._open_store = open_store
        self._page = _Page(told_fd)
        self._must_end = must_end
        self._most_days = most_days
        self._most_records = most_records
        self._pictures = pictures
        self._store: Store | None = None
        self._frames = 0
        self._written = 0
        self._seen_at_s = self._counted_at_s = self._said_at_s = float("-inf")
        self._give_up_at_s = float("inf")

    def run(self) -> bool:
        """Record until the server ends; returns whether all of it is there."""
        try:
            self._try(lambda store: store.settle(time.time_ns()))
            self._try(self._pictures.begin)
            while not self._is_ending:
                self._follower.wait(_IDLE_S)
                if self._follower.behind < _AT_ONCE and not self._is_ending:
                    time.sleep(_BATCH_S)  # so that those that come now share a transaction
                self._write_batch()
                self._tend_pictures()
                self._keep_house()
            while self._follower.behind:
                self._write_batch()
            self._pictures.end()
            self._tend_pictures()
            # the end of a supervisor that was killed is seen here a moment before this process is killed, too
            if self._must_end():
                self._try(lambda store: store.end(time.time_ns()))
        except _GivenUp:
            _log.error("the history has not all of the last frames: the database was away when the server ended")
            return False
        finally:
            if self._store is not None:
                self._store.close()
        return True

    @property
    def _is_ending(self) -> bool:
        if self._must_end() or self._follower.is_over:
            self._give_up_at_s = min(self._give_up_at_s, time.monotonic() + _LAST_TRIES_S)
            return True
        return False

    def _tend_pictures(self) -> None:
        self._try(lambda store: self._pictures.tend(store, self._follower.cursors))

    def _write_batch(self) -> None:
        now_ns = time.time_ns()
        records = self._follower.read(_AT_ONCE)
        seen_ns = None if self._follower.behind else now_ns
        if records:
            self._write(records, seen_ns)
            self._follower.done()
            self._seen_at_s = time.monotonic()
        self._written = len(records)

    def _write(self, records: list[Record], seen_ns: int | None) -> None:
        try:
            self._count(self._try(lambda store: store.write(records, seen_ns)))
        except _GivenUp:
            raise
        except Exception:  # noqa: BLE001 - whatever it was, all others are to be recorded
            if len(records) > 1:  # one of them cannot be written: all others can
                for record in records:
                    self._write([record], seen_ns if record is records[-1] else None)
                return
            _log.exception("a fault of ours: frame %s cannot be recorded", records[0].id)
            self._try(lambda store: store.give_up(records[0]))
            self._page.tell(self._page.told._replace(missed=self._page.told.missed + 1))

    def _count(self, written: Written) -> None:
        self._frames += written.frames
        told = self._page.told
        if written.missed:
            _log.warning("%d frames were gone before they could be recorded", written.missed)
        self._page.tell(told._replace(recorded=told.recorded + written.frames, missed=told.missed + written.missed))

    def _keep_house(self) -> None:
        """What need not be done with each batch."""
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

    def _try(self, step: Callable[[Store], _T]) -> _T:
        """Do it as often as it takes, until the server ends."""
        tries = 0
        while True:
            try:
                if self._store is None:
                    self._store = self._open_store()
                done = step(self._store)
            except Exception as error:
                if not is_trouble(error):
                    raise
                self._wait(error, _PAUSES_S[min(tries, len(_PAUSES_S) - 1)])
                tries += 1
            else:
                self._page.tell(self._page.told._replace(state=State.RECORDING))
                return done

    def _wait(self, error: Exception, pause_s: float) -> None:
        if self._store is not None:
            self._pictures.make_room(self._store)  # it may be the disk that is full
            self._store.close()
            self._store = None
        said = told_of(error)
        told = self._page.told
        self._page.tell(told._replace(state=State.WAITING, failures=told.failures + 1, error=said))
        if time.monotonic() - self._said_at_s >= _SAY_S:
            self._said_at_s = time.monotonic()
            _log.error("the history cannot be written: %s; it is tried again", said)
        if self._is_ending and time.monotonic() >= self._give_up_at_s:
            raise _GivenUp
        time.sleep(pause_s)
