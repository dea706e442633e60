"""Connections that no thread has: in the front's main loop, where they cost a few kilobytes and no more.

gunicorn gives a connection to a thread as soon as it is there, and nothing bounds how long its head or its body takes:
a few slow clients hold all threads. Here a thread is taken only for a request whose head is whole; what else clients
may be slow with waits here as well. Each wait has a deadline of its own:

=========  ==========================================  ==================================================
state      waits for                                   until
=========  ==========================================  ==================================================
idle       the first byte of a request                 `idle_s`, or until others need its room
handshake  the rest of a TLS handshake                 `head_s` after its first byte (handshakes.py)
head       the rest of a request's head                `head_s` after its first byte, then 408 (slow_heads.py)
body       the rest of a body that came too slowly     a time by its length, then 408 (slow_bodies.py)
farewell   the client to close, so that it can read    `_FAREWELL_S`; what it still sends is dropped
           the answer before the connection ends
=========  ==========================================  ==================================================
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from service.connections.guests import Guest, Guests
from service.errors import answer_to
from service.logs.request_log import LOG
from service.logs.trace import Trace
from service.wire.holdings import LET_GO
from service.wire.plain_body import response_head
from workers.errors import FramemillError, NoFreeSlot, NotReady

if TYPE_CHECKING:
    import selectors
    from collections.abc import Callable

_MOST_READ_BYTES = 1 << 20
_FAREWELL_S = 2.0
_FAREWELL_BYTES = 64 << 20
_UNTAKEN_MS = 10_000  # the kernel goes on sending when we have closed; not for ever to who takes nothing


class Lobby(Guests):
    """Who waits here, and for what; used by the main thread alone.

    `deliver` sends what a connection has not taken yet, then goes on with it (outbox.py); `left` and `refused` hear of
    what ended, `refused` also whose body it was that did not come; `later` has the main thread call something, from any
    thread.
    """

    def __init__(
        self,
        poller: selectors.BaseSelector,
        *,
        deliver: Callable[[Any, Callable[[], None]], None],
        left: Callable[[], None],
        refused: Callable[[FramemillError, str, Trace], None],
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        super().__init__(poller)
        self._deliver = deliver
        self._left = left
        self._refused = refused
        self.later = later
        self._scratch = memoryview(bytearray(_MOST_READ_BYTES))

    def see_off(self, conn: Any) -> None:
        """End a connection so that its client can still read the answer."""
        if conn.sock.unsent is not None:
            self._deliver(conn, partial(self.see_off, conn))
            return
        with contextlib.suppress(OSError):
            conn.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNTAKEN_MS)
        try:
            conn.sock.setblocking(False)
            if isinstance(conn.sock, ssl.SSLSocket):
                say_goodbye(conn.sock)
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close(conn)
            return
        self.stay(Guest(conn, time.monotonic() + _FAREWELL_S, self._drop_more, None))

    def call_time(self) -> None:
        """End every wait whose time is up."""
        for guest in self.overdue():
            if guest.too_late is None:
                self.dismiss(guest)
            else:
                self.refuse(guest, guest.too_late)

    def make_room(self) -> bool:
        """Close one connection, see `longest_of_the_most`; returns whether there was one."""
        longest = self.longest_of_the_most()
        if longest is not None:
            self.dismiss(longest)
        return longest is not None

    def end(self) -> None:
        """Send everybody away; who has begun a request is told why."""
        for guest in self.everybody():
            if guest.too_late is None:
                self.dismiss(guest)
            else:
                self.refuse(guest, NotReady("the server has stopped"))

    def dismiss(self, guest: Guest) -> None:
        """Close it."""
        self.release(guest)
        self.close(guest.conn)

    def close(self, conn: Any) -> None:
        """Close a connection that does not wait here."""
        if (held := conn.__dict__.pop("held", None)) is not None:
            held.release()
        conn.close()
        self._left()

    def refuse(self, guest: Guest, error: FramemillError) -> None:
        """Answer a request that never became one."""
        trace = Trace()
        self._refused(error, guest.address if guest.body is not None else "", trace)
        self.release(guest)
        status, headers, body = answer_to(error, trace.request_id)
        LOG.tell(trace, guest.address, int(status[:3]), error.code, len(body))
        headers = [*headers, ("Content-Length", str(len(body))), *trace.headers]
        head = response_head("1.1", status, headers, keep=False)
        try:
            guest.conn.sock.sendall(head + body)
        except OSError:
            self.close(guest.conn)
            return
        self.see_off(guest.conn)

    def let_go(self, guest: Guest) -> None:
        """From any thread: refuse a guest whose memory others needed, if it is still here then."""
        self.later(partial(self._let_go, guest))

    def let_go_idle(self, conn: Any) -> None:
        """From any thread: close a connection whose memory others needed, if it waits here then."""
        self.later(partial(self._let_go_idle, conn))

    def _let_go_idle(self, conn: Any) -> None:
        guest = self.guest_of(conn)
        if guest is not None:
            self.dismiss(guest)

    def _let_go(self, guest: Guest) -> None:
        if self.has(guest):
            self.refuse(guest, NoFreeSlot(LET_GO))

    def _drop_more(self, guest: Guest) -> None:
        # the kernel throws the bytes away and copies none; TLS has ended before (see_off)
        try:
            received = int(guest.conn.sock.recv_into(self._scratch, _MOST_READ_BYTES, socket.MSG_TRUNC))
        except BlockingIOError:
            return
        except OSError:
            received = 0
        guest.dropped_bytes += received
        if received == 0 or guest.dropped_bytes > _FAREWELL_BYTES:
            self.dismiss(guest)


def say_goodbye(connection: ssl.SSLSocket) -> None:
    """Tell the client that nothing follows (close_notify), as far as that can be said without waiting."""
    with contextlib.suppress(OSError, ValueError):
        connection.unwrap()
