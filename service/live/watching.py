"""The one thread of a front that looks on for all of its pages: begun by the first, ended when none is there.

It reads the rings of all fronts some four times a second, a few records at a time, and does without being woken: no
front does anything for it. Whoever looks is told of a new view; what is new for all is made once, by `make`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from service.live.seen import Seen
from service.results.reading import RingReader
from service.results.record import BadRecord, Record

_log = logging.getLogger(__name__)

_TURN_S = 0.25
_AT_ONCE = 100  # records; then frames have their turn
_MOST_ROUNDS = 40  # a turn; who is farther behind than that misses some
_BREATH_S = 0.003
_LINGER_S = 12.0  # a page without scripts comes again every five seconds
_FIRST_S = 2.0

V = TypeVar("V")


@dataclass(frozen=True)
class View:
    """What is seen at a moment; `seen` goes on changing in the hands of the thread that made the view."""

    seen: Seen
    now_ns: int


class Watching(Generic[V]):
    """`make` turns a view into what pages want of it; it is called by the thread alone."""

    def __init__(self, rings: Iterable[int], make: Callable[[View], V]) -> None:
        self._rings = tuple(rings)
        self._make = make
        self._changed = threading.Condition()
        self._made: V | None = None
        self._turn = 0
        self._wanted_until_s = 0.0
        self._thread: threading.Thread | None = None

    def newest(self) -> V | None:
        """Return what was made last, the first within two seconds; None where it is not there by then."""
        return self.after(0, _FIRST_S)[1]

    def after(self, turn: int, patience_s: float) -> tuple[int, V | None]:
        """Return the turn that follows `turn` and what was made of it, or the same again where none comes in time."""
        with self._changed:
            self._want()
            self._changed.wait_for(lambda: self._turn > turn, patience_s)
            return self._turn, self._made

    @property
    def is_running(self) -> bool:
        """Whether somebody looks, or did a moment ago."""
        return self._thread is not None

    def _want(self) -> None:
        self._wanted_until_s = time.monotonic() + _LINGER_S
        if self._thread is None:
            self._made, self._turn = None, 0
            self._thread = threading.Thread(target=self._run, name="live", daemon=True)
            try:
                self._thread.start()
            except RuntimeError as error:  # the machine has none to give: pages come without what is live
                _log.warning("nobody looks on for the pages: %s", error)
                self._thread = None

    def _run(self) -> None:
        try:
            readers = [RingReader(ring) for ring in self._rings]
            for reader in readers:
                reader.begin_with_oldest()
            seen = Seen()
            while not self._is_over():
                self._read(readers, seen)
                made = self._make(View(seen, time.time_ns()))
                with self._changed:
                    self._made, self._turn = made, self._turn + 1
                    self._changed.notify_all()
                time.sleep(_TURN_S)
        except Exception:  # noqa: BLE001 - whatever it was, pages go on without, and the next one tries again
            _log.exception("what looks on for the pages met a fault of ours")
            with self._changed:
                self._thread = None

    def _is_over(self) -> bool:
        with self._changed:
            if time.monotonic() < self._wanted_until_s:
                return False
            self._thread = None
            return True

    def _read(self, readers: list[RingReader], seen: Seen) -> None:
        """Take what has come, in the order of its coming as far as it is known."""
        for _ in range(_MOST_ROUNDS):
            found = sorted(_some(readers), key=lambda one: one.head.came_ns)
            for record in found:
                seen.add(record)
            if not found:
                return
            time.sleep(_BREATH_S)


def _some(readers: list[RingReader]) -> Iterable[Record]:
    for reader in readers:
        for _ in range(_AT_ONCE // len(readers) or 1):
            if (raw := reader.next()) is None:
                break
            try:
                yield Record.unpack(raw.packed, reader.front, raw.sequence)
            except BadRecord:
                continue
