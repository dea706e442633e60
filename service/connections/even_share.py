"""Which front takes a new connection: one that no other front has fewer than.

All fronts wait on one listening socket, so whoever wakes up first would take what comes, and a camera's connection
stays for days with the front that took it. So each front says in its row of the frame memory how many it has, and one
that has more than another leaves a new connection to that one: it takes the listener out of its poller for two
milliseconds and looks again. One that still waits after fifty is taken all the same, for the front whose turn it is
may hang. A front that has not been through its loop for half a second, is ending, or has no descriptor to give does not
count.

Before the server is ready nobody takes any: connections wait in the kernel, and are not refused by the first front that
happens to be there.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from workers.memory.control import Control, FrontRow

if TYPE_CHECKING:
    from workers.memory.control import ControlPage

_STEP_S = 0.002
_SOON_S = 0.004  # it was there as soon as one looked again: it is the same, or there are more than others can take
_PATIENCE_S = 0.05
_ALIVE_NS = 500_000_000


class EvenShare:
    """One front's part in it; used by its main thread alone."""

    def __init__(self, control: ControlPage, row: memoryview) -> None:
        self._words = control.words
        self._row = row
        self._others = [other for other in control.fronts if other is not row]
        self._back_since_s = 0.0
        self._back_until_s = 0.0
        self.note(0, counts=True)  # its loop is about to begin

    def note(self, connections: int, *, counts: bool) -> None:
        """Say how many this front has now; `counts` is whether it takes any at all."""
        self._row[FrontRow.CONNECTIONS] = connections
        self._row[FrontRow.TURNED_NS] = time.monotonic_ns() if counts else 0

    def patience_s(self, most_s: float) -> float:
        """How long the main loop may wait for events before it looks again."""
        return _STEP_S if time.monotonic() < self._back_until_s else most_s

    def is_open(self, now_s: float) -> bool:
        """Whether this front may have the listener in its poller; the server is ready then."""
        return self._words[Control.OPEN] == 1 and now_s >= self._back_until_s

    def is_mine(self, connections: int) -> bool:
        """Whether a connection that waits is for this front, which has so many; where it is not, look later."""
        self._row[FrontRow.CONNECTIONS] = connections
        if not self._another_has_fewer(connections):
            return True
        now_s = time.monotonic()
        if now_s > self._back_until_s + _SOON_S:
            self._back_since_s = now_s
        elif now_s > self._back_since_s + _PATIENCE_S:
            self._back_since_s = now_s
            return True
        self._back_until_s = now_s + _STEP_S
        return False

    def _another_has_fewer(self, connections: int) -> bool:
        if not self._others:
            return False
        alive_ns = time.monotonic_ns() - _ALIVE_NS
        return any(
            other[FrontRow.CONNECTIONS] < connections and other[FrontRow.TURNED_NS] > alive_ns for other in self._others
        )
