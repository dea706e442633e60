"""What became of pictures, from where they are written to where it is recorded; none is forgotten in between."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from service.results.record import Record

_MOST = 50_000  # while the database is away: more than the server's memory has records


class Outcome(NamedTuple):
    """What became of a picture: its `file`, or why it was `lost`; of which record, and `why` it was to be kept."""

    front: int
    sequence: int
    came_ns: int
    slot: int
    why: str
    file: str | None = None
    lost: str | None = None
    media_type: str | None = None
    bytes: int = 0
    width: int | None = None
    height: int | None = None
    pixel_format: str | None = None

    @classmethod
    def of(cls, record: Record, why: str) -> Outcome:
        """Begin with that of a record, about which nothing is known yet."""
        return cls(record.front, record.sequence, record.head.came_ns, record.head.slot, why)

    @property
    def key(self) -> tuple[int, int]:
        """Which record it is of."""
        return self.front, self.sequence


class Outcomes:
    """For all threads of the recorder.

    `read_to` says up to which record of each front was read; `forget` hears of outcomes that nobody took in time, and
    `done` up to which record all of them are in the database: who begins anew begins behind it.
    """

    def __init__(
        self,
        read_to: Mapping[int, int],
        forget: Callable[[Outcome], None],
        done: Callable[[Mapping[int, int]], None],
    ) -> None:
        self._lock = threading.Lock()
        self._read_to = read_to
        self._forget = forget
        self._done = done
        self._known: deque[Outcome] = deque()
        self._unsettled: set[tuple[int, int]] = set()
        self.forgotten = 0

    def expect(self, records: Iterable[Record], read_to: Mapping[int, int]) -> None:
        """Be told of frames whose pictures are to be kept, and up to which record all were read."""
        with self._lock:
            self._unsettled.update((record.front, record.sequence) for record in records)
            self._read_to = read_to

    def add(self, outcome: Outcome) -> None:
        """Be told what became of one."""
        forgotten = None
        with self._lock:
            self._known.append(outcome)
            if len(self._known) > _MOST:
                forgotten = self._known.popleft()
                self._unsettled.discard(forgotten.key)
                self.forgotten += 1
        if forgotten is not None:
            self._forget(forgotten)

    def take(self) -> list[Outcome]:
        """Return those that came since; `settled` is to be told once they are in the database."""
        with self._lock:
            taken = [*self._known]
            self._known.clear()
        return taken

    def settled(self, outcomes: Iterable[Outcome]) -> None:
        """Be told what is in the database."""
        with self._lock:
            self._unsettled.difference_update(one.key for one in outcomes)
            done_to = dict(self._read_to)
            for front, sequence in self._unsettled:
                done_to[front] = min(done_to[front], sequence - 1)
        self._done(done_to)
