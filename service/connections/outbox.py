"""Answers that their clients have not taken yet, in the front's main loop: no thread and no slot waits for a client.

A connection comes here with what its socket did not take (unsent.py), and goes on once that has been sent: with its
next request, or to its farewell. It has `_GRACE_S` for it, and the time that all it has not received takes at
`_LEAST_RATE`, the kernel's part included; `most_s` at most. Whoever is slower, or holds what others need the room for
(holdings.py), is cut off: by a reset, for a part of an answer is none, and so that the kernel forgets its part too.
"""

from __future__ import annotations

import logging
import selectors
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from service.wire.kernel_buffers import undelivered_bytes

if TYPE_CHECKING:
    from service.wire.unsent import Outgoing

_log = logging.getLogger(__name__)

_GRACE_S = 2.0
_LEAST_RATE = 256_000  # bytes/s
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_COMPLAINT_S = 1.0


@dataclass(slots=True, eq=False)
class _Parcel:
    """A connection, what it does once all is sent, and until when."""

    conn: Any
    go_on: Callable[[], None]
    until_s: float


class Outbox:
    """Used by the main thread alone; `close` ends a connection, `cut` hears of each whose client would not read."""

    def __init__(
        self, poller: selectors.BaseSelector, most_s: float, close: Callable[[Any], None], cut: Callable[[], None]
    ) -> None:
        self._poller = poller
        self._most_s = most_s
        self._close = close
        self._cut = cut
        self._parcels: dict[Any, _Parcel] = {}  # who came first is first
        self._crowds: Counter[str] = Counter()
        self._cut_since = 0
        self._complain_from = 0.0

    def deliver(self, conn: Any, go_on: Callable[[], None]) -> None:
        """Send what `conn` has not taken yet, then `go_on`."""
        unsent = conn.sock.unsent
        if conn.sock.fileno() < 0:  # whoever closed it had a reason
            self._close(conn)
        elif unsent.is_lost:
            self._cut_off(conn)
        else:
            limit_s = _GRACE_S + (unsent.byte_count + undelivered_bytes(conn.sock)) / _LEAST_RATE
            parcel = _Parcel(conn, go_on, time.monotonic() + min(limit_s, self._most_s))
            conn.sock.setblocking(False)
            self._parcels[conn] = parcel
            self._crowds[_address(conn)] += 1
            self._poller.register(conn.sock, selectors.EVENT_WRITE, lambda _: self._send_more(parcel))

    def call_time(self) -> None:
        """Cut off whose time is up, and who holds what others needed the room for."""
        now_s = time.monotonic()
        for conn in [conn for conn, parcel in self._parcels.items() if _is_over(parcel, now_s)]:
            self._take_out(conn)
            self._cut_off(conn)
        if self._cut_since and now_s >= self._complain_from:
            self._complain_from = now_s + _COMPLAINT_S
            _log.warning("%d connections were cut off: their clients did not take their answers", self._cut_since)
            self._cut_since = 0

    @property
    def largest_crowd(self) -> int:
        """How many connections are here of the address with most of them."""
        return max(self._crowds.values(), default=0)

    def make_room(self) -> bool:
        """Cut off who is here for longest, of the address with most connections here; returns whether there was one."""
        crowded = max(self._crowds, key=self._crowds.__getitem__, default=None)
        if crowded is None:
            return False
        longest = next(conn for conn in self._parcels if _address(conn) == crowded)
        self._take_out(longest)
        self._cut_off(longest)
        return True

    def end(self) -> None:
        """Cut off everybody: the front ends."""
        for conn in list(self._parcels):
            self._take_out(conn)
            self._cut_off(conn)
        self._complain_from = 0.0
        self.call_time()

    def _send_more(self, parcel: _Parcel) -> None:
        connection: Outgoing = parcel.conn.sock
        assert connection.unsent is not None
        try:
            sent = connection.unsent.send(connection)
        except OSError:
            self._take_out(parcel.conn)
            self._close(parcel.conn)
            return
        if sent:
            self._take_out(parcel.conn)
            connection.forget()
            parcel.go_on()
        elif connection.unsent.is_lost:
            self._take_out(parcel.conn)
            self._cut_off(parcel.conn)

    def _take_out(self, conn: Any) -> None:
        del self._parcels[conn]
        address = _address(conn)
        self._crowds[address] -= 1
        if not self._crowds[address]:
            del self._crowds[address]
        self._poller.unregister(conn.sock)

    def _cut_off(self, conn: Any) -> None:
        self._cut()
        self._cut_since += 1
        with suppress(OSError):
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._close(conn)


def _address(conn: Any) -> str:
    return str(conn.client[0])


def _is_over(parcel: _Parcel, now_s: float) -> bool:
    return parcel.until_s <= now_s or parcel.conn.sock.unsent.is_lost
