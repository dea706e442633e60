"""Connections that no thread has: in the front's main loop, where they cost a few kilobytes and no more.

gunicorn gives a connection to a thread as soon as it is there, and nothing bounds how long its head or its body takes:
a few slow clients hold all threads. Here a thread is taken only for a request whose head is whole; what else clients
may be slow with waits here as well. Each wait has a deadline of its own:

=========  ==========================================  ==================================================
state      waits for                                   until
=========  ==========================================  ==================================================
idle       the first byte of a request                 `idle_s`, or until others need its room
handshake  the rest of a TLS handshake                 `head_s` after its first byte (handshakes.py)
head       the rest of a request's head                `head_s` after its first byte, then 408
body       the rest of a body that came too slowly     a time by its length, then 408 (slow_bodies.py)
farewell   the client to close, so that it can read    `_FAREWELL_S`; what it still sends is dropped
           the answer before the connection ends
=========  ==========================================  ==================================================
"""

from __future__ import annotations

import contextlib
import io
import math
import selectors
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from service.errors import answer_to
from service.gathering import Gathering, receive_into
from service.heads import HeadSearch
from service.holdings import HELD, LET_GO, Holding
from service.wire import response_head
from workers.errors import FramemillError, HeadTooLarge, HeadTooSlow, NoFreeSlot, NotReady, TargetTooLong

_LONGEST_HEAD_BYTES = 65_536
_LEAST_READ_BYTES = 8192
_MOST_READ_BYTES = 1 << 20
_FAREWELL_S = 2.0
_GREETING_S = 0.25
_FAREWELL_BYTES = 64 << 20


@dataclass(slots=True, eq=False)
class Guest:
    """A connection with what it waits for; `too_late` is the answer then, None where it is only closed."""

    conn: Any
    until_s: float
    on_ready: Callable[[Guest], None]
    too_late: FramemillError | None
    idle: bool = False
    search: HeadSearch = field(default_factory=HeadSearch)
    half: Holding | None = None  # of a head
    body: Gathering | None = None
    awaits: int = selectors.EVENT_READ
    dropped_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the lobby waits, in seconds."""

    idle_s: float
    head_s: float


class Lobby:
    """Used by the main thread alone.

    `go_on` takes a connection to a thread; `left` and `refused` hear of what ended; `later` has the main thread call
    something, from any thread.
    """

    def __init__(
        self,
        poller: selectors.BaseSelector,
        patience: Patience,
        *,
        go_on: Callable[[Any], None],
        left: Callable[[], None],
        refused: Callable[[FramemillError], None],
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        self._poller = poller
        self._patience = patience
        self.go_on = go_on
        self._left = left
        self._refused = refused
        self.later = later
        self._guests: dict[Any, Guest] = {}
        self._crowds: dict[str, dict[Any, Guest]] = {}  # the same, by address; who came first is first
        self._leave_by_s = math.inf
        self._scratch = memoryview(bytearray(_MOST_READ_BYTES))

    def await_head(self, conn: Any) -> None:
        """Wait for a request; its first bytes may be there already."""
        guest = Guest(conn, time.monotonic() + self._patience.idle_s, self._more_head, None, idle=True)
        early = conn.parser.unreader.buf.getvalue()
        self.stay(guest)
        if early:
            self._look_at_head(guest, early)

    def see_off(self, conn: Any) -> None:
        """End a connection so that its client can still read the answer."""
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
        now_s = time.monotonic()
        for guest in [guest for guest in self._guests.values() if guest.until_s <= now_s]:
            if guest.too_late is None:
                self.dismiss(guest)
            else:
                self.refuse(guest, guest.too_late)

    def make_room(self) -> bool:
        """Of the address with most connections here, close the one that has been idle, or else here, for longest.

        Returns whether there was one.
        """
        crowd = max(self._crowds.values(), key=len, default={}).values()
        longest = next((guest for guest in crowd if guest.idle), None) or next(iter(crowd), None)
        if longest is not None:
            self.dismiss(longest)
        return longest is not None

    def hurry(self, until_s: float) -> None:
        """Let nobody who has not begun a request stay beyond `until_s` (CLOCK_MONOTONIC)."""
        self._leave_by_s = until_s
        for guest in self._guests.values():
            if guest.idle:
                guest.until_s = min(guest.until_s, until_s)

    def end(self) -> None:
        """Send everybody away; who has begun a request is told why."""
        for guest in list(self._guests.values()):
            if guest.too_late is None:
                self.dismiss(guest)
            else:
                self.refuse(guest, NotReady("the server has stopped"))

    def stay(self, guest: Guest) -> None:
        """Let a connection wait here: `on_ready` is called whenever it has something, `release` ends that."""
        guest.conn.sock.setblocking(False)
        if guest.idle:
            # who has just connected is about to send: to close that connection now would be to cut a request
            guest.until_s = min(guest.until_s, max(self._leave_by_s, time.monotonic() + _GREETING_S))
        self._guests[guest.conn] = guest
        self._crowds.setdefault(_address(guest), {})[guest.conn] = guest
        # by number: TLS puts another object in the place of the socket
        self._poller.register(guest.conn.sock.fileno(), guest.awaits, lambda _: self.go_on_with(guest))
        if _has_more(guest.conn.sock):
            self.go_on_with(guest)

    def release(self, guest: Guest) -> None:
        """Let it go on elsewhere; what is held for it is given back."""
        for held in (guest.half, guest.body):
            if held is not None:
                held.release()
        del self._guests[guest.conn]
        crowd = self._crowds[_address(guest)]
        del crowd[guest.conn]
        if not crowd:
            del self._crowds[_address(guest)]
        self._poller.unregister(guest.conn.sock.fileno())

    def dismiss(self, guest: Guest) -> None:
        """Close it."""
        self.release(guest)
        self.close(guest.conn)

    def close(self, conn: Any) -> None:
        """Close a connection that does not wait here."""
        conn.close()
        self._left()

    def refuse(self, guest: Guest, error: FramemillError) -> None:
        """Answer a request that never became one."""
        self.release(guest)
        self._refused(error)
        status, headers, body = answer_to(error)
        head = response_head("1.1", status, [*headers, ("Content-Length", str(len(body)))], keep=False)
        try:
            guest.conn.sock.send(head + body)  # a socket that has sent nothing yet has room for this
        except OSError:
            self.close(guest.conn)
            return
        self.see_off(guest.conn)

    def let_go(self, guest: Guest) -> None:
        """From any thread: refuse a guest whose memory others needed, if it is still here then."""
        self.later(partial(self._let_go, guest))

    def _let_go(self, guest: Guest) -> None:
        if self._guests.get(guest.conn) is guest:
            self.refuse(guest, NoFreeSlot(LET_GO))

    def go_on_with(self, guest: Guest) -> None:
        """Call a guest that is here for as long as it has something, and wait for what it then waits for."""
        # somebody may have closed it since the poller said so
        while self._guests.get(guest.conn) is guest:
            awaits = selectors.EVENT_READ
            try:
                guest.on_ready(guest)
            except ssl.SSLWantWriteError:
                awaits = selectors.EVENT_WRITE
            if self._guests.get(guest.conn) is guest and awaits != guest.awaits:
                guest.awaits = awaits
                self._poller.modify(guest.conn.sock.fileno(), awaits, lambda _: self.go_on_with(guest))
            if not _has_more(guest.conn.sock):
                return

    def _more_head(self, guest: Guest) -> None:
        received = receive_into(guest.conn.sock, self._scratch[:_LEAST_READ_BYTES])
        if received == 0:
            self.dismiss(guest)
        elif received > 0:
            piece = bytes(self._scratch[:received])
            buffered = guest.conn.parser.unreader.buf
            buffered.seek(0, io.SEEK_END)
            buffered.write(piece)
            self._look_at_head(guest, piece)

    def _look_at_head(self, guest: Guest, piece: bytes) -> None:
        """Go on with a head that is whole; `piece` is what of it is new."""
        buffered = guest.conn.parser.unreader.buf
        if guest.idle:
            guest.idle = False
            guest.until_s = time.monotonic() + self._patience.head_s
            guest.too_late = _head_too_slow(self._patience.head_s)
        try:
            whole = guest.search.ends_in(piece)
            if not whole:
                self._hold_half(guest, buffered.tell())
        except FramemillError as error:
            self.refuse(guest, error)
            return
        if whole:
            self.release(guest)
            self.go_on(guest.conn)
        elif buffered.tell() > _LONGEST_HEAD_BYTES:
            self.refuse(guest, _too_long(buffered.getvalue()))

    def _hold_half(self, guest: Guest, count: int) -> None:
        if guest.half is None:
            guest.half = HELD.hold(_address(guest), 0, partial(self.let_go, guest))
        guest.half.cover(count)

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


def _has_more(connection: socket.socket) -> bool:
    """Whether TLS has bytes for us that no poller tells of."""
    return isinstance(connection, ssl.SSLSocket) and connection.pending() > 0


def _address(guest: Guest) -> str:
    return str(guest.conn.client[0])


def _too_long(head: bytes) -> FramemillError:
    if b"\r\n" not in head:
        return TargetTooLong(f"the first line of the request has more than {_LONGEST_HEAD_BYTES} bytes")
    return HeadTooLarge(f"the request's head has more than {_LONGEST_HEAD_BYTES} bytes")


def _head_too_slow(limit_s: float) -> HeadTooSlow:
    return HeadTooSlow(f"the request's head did not come within {limit_s:g} s")
