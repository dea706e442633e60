"""Whose request gets the next thread: one of the address that has fewest.

Elsewhere a thread that is free takes what has waited for longest. Whoever asks on a thousand connections at once then
has all threads, one after the other; a camera waits behind a thousand requests, and behind a hundred threads that want
the interpreter's lock. Here the addresses that ask share the threads. Few of them compute at a time, for more would
only be in each other's way; those that wait for a slot, a worker or a client do not count. Some are left for addresses
that have none, and requests of one address keep their order.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

_COMPUTING = 8  # threads at a time, of all addresses together
_AT_LEAST = 2  # of one address, whatever it has left with us
_SURELY_WAITS_S = 1.0  # no answer takes so long to compute


class Turns:
    """Used by the main thread alone, but for `must_yield`; `begin` gives a connection to one of `threads` threads.

    `spare` of them are for addresses that have none yet. An address that `is_heavy` has very few. `close` ends a
    connection.
    """

    def __init__(
        self,
        threads: int,
        spare: int,
        begin: Callable[[Any], None],
        is_heavy: Callable[[str], bool],
        close: Callable[[Any], None],
    ) -> None:
        self._threads = threads
        self._shared = threads - spare
        self._begin = begin
        self._is_heavy = is_heavy
        self._close = close
        self._busy: dict[str, dict[Any, float]] = {}  # connections in threads, and since when, by address
        self.busy_count = 0  # threads that have a connection; to be read from any thread
        self._waiting: dict[str, deque[Any]] = {}  # by address; who was served last stands last

    @property
    def is_waiting(self) -> bool:
        """Whether somebody waits here; `call` is to be called soon then."""
        return bool(self._waiting)

    def come(self, conn: Any) -> None:
        """Have a request of `conn` answered, once it is its turn."""
        address = str(conn.client[0])
        self._waiting.setdefault(address, deque()).append(conn)
        self.call()

    def done(self, conn: Any) -> None:
        """A thread has done with `conn`."""
        address = str(conn.client[0])
        del self._busy[address][conn]
        self.busy_count -= 1
        if not self._busy[address]:
            del self._busy[address]
        self.call()

    def call(self) -> None:
        """Give threads to those that wait."""
        while self._waiting and self.busy_count < self._threads:
            sharing = len(self._busy.keys() | self._waiting.keys())
            now_s = time.monotonic()
            able = [address for address in self._waiting if self._may_begin(address, sharing, now_s)]
            if not able:
                return
            address = min(able, key=lambda address: len(self._busy.get(address, ())))
            self._take(address, now_s)

    def must_yield(self, conn: Any) -> bool:
        """Whether the thread that has `conn` should go to another one now; from any thread."""
        return bool(self._waiting) and (str(conn.client[0]) in self._waiting or self.busy_count >= self._threads)

    @property
    def largest_crowd(self) -> int:
        """How many connections wait of the address with most of them."""
        return max(map(len, self._waiting.values()), default=0)

    def make_room(self) -> bool:
        """Close a connection of the address with most here; returns whether there was one."""
        crowded = max(self._waiting, key=lambda address: len(self._waiting[address]), default=None)
        if crowded is None:
            return False
        self._close(self._next_of(crowded))
        return True

    def _may_begin(self, address: str, sharing: int, now_s: float) -> bool:
        theirs = self._busy.get(address)
        if theirs is None or len(theirs) < _AT_LEAST:
            return True
        if self._is_heavy(address) or len(theirs) >= self._shared // sharing:
            return False
        most = max(_AT_LEAST, _COMPUTING // sharing)
        return len(theirs) < most or sum(_computes(conn, now_s - since_s) for conn, since_s in theirs.items()) < most

    def _take(self, address: str, now_s: float) -> None:
        conn = self._next_of(address)
        if address in self._waiting:
            self._waiting[address] = self._waiting.pop(address)
        self._busy.setdefault(address, {})[conn] = now_s
        self.busy_count += 1
        self._begin(conn)

    def _next_of(self, address: str) -> Any:
        waiting = self._waiting[address]
        conn = waiting.popleft()
        if not waiting:
            del self._waiting[address]
        return conn


def _computes(conn: Any, for_s: float) -> bool:
    return for_s < _SURELY_WAITS_S and not conn.sock.waits
