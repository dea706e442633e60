"""Connections that no thread has: in the front's main loop, where they cost a few kilobytes and no more.

gunicorn gives a connection to a thread as soon as it is there, and nothing bounds how long its head or its body takes:
a few slow clients hold all threads. Here a thread is taken only for a request whose head is whole, and a body that does
not flow is gathered here as well (`wire.BodyPaused`). Each wait has a deadline of its own:

=========  ==========================================  ==================================================
state      waits for                                   until
=========  ==========================================  ==================================================
idle       the first byte of a request                 `idle_s`, or until others need its room
head       the rest of a request's head                `head_s` after its first byte, then 408
body       the rest of a body that came too slowly     `body_limit_s` after it was set aside, then 408
farewell   the client to close, so that it can read    `_FAREWELL_S`; what it still sends is dropped
           the answer before the connection ends
=========  ==========================================  ==================================================
"""

from __future__ import annotations

import math
import re
import selectors
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from service.errors import answer_to
from service.heads import head_is_whole
from service.wire import BodyPaused, body_limit_s, response_head
from workers.errors import (
    BodyTooSlow,
    FramemillError,
    HeadInvalid,
    HeadTooLarge,
    HeadTooSlow,
    IncompleteBody,
    NoFreeSlot,
    NotReady,
    TargetTooLong,
)

_LONGEST_HEAD_BYTES = 65_536
_LEAST_READ_BYTES = 8192
_MOST_READ_BYTES = 1 << 20
_GATHERED_BYTES = 256 << 20  # of all slow bodies together
_FAREWELL_S = 2.0
_GREETING_S = 0.25
_FAREWELL_BYTES = 64 << 20
_BARE_NEWLINE = re.compile(rb"(?<!\r)\n")


@dataclass(slots=True, eq=False)
class _Guest:
    """A connection with what it waits for."""

    conn: Any
    until_s: float
    on_readable: Callable[[_Guest], None]
    too_late: FramemillError | None
    idle: bool = False
    paused: BodyPaused | None = None
    body: bytearray = field(default_factory=bytearray)
    dropped_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the lobby waits, in seconds."""

    idle_s: float
    head_s: float
    body_s: float


class Lobby:
    """Used by the main thread alone; `go_on` takes a connection to a thread; `left`, `refused` hear of what ended.

    `deliver` sends what a connection has not taken yet, then goes on with it (outbox.py).
    """

    def __init__(  # noqa: PLR0917 - each of them is what it is called
        self,
        poller: selectors.BaseSelector,
        patience: Patience,
        go_on: Callable[[Any], None],
        deliver: Callable[[Any, Callable[[], None]], None],
        left: Callable[[], None],
        refused: Callable[[FramemillError], None],
    ) -> None:
        self._poller = poller
        self._patience = patience
        self._go_on = go_on
        self._deliver = deliver
        self._left = left
        self._refused = refused
        self._guests: dict[Any, _Guest] = {}
        self._crowds: dict[str, dict[Any, _Guest]] = {}  # the same, by address; who came first is first
        self._gathered_bytes = 0
        self._leave_by_s = math.inf
        self._scratch = memoryview(bytearray(_MOST_READ_BYTES))

    def await_head(self, conn: Any, *, is_new: bool = False) -> None:
        """Wait for a request; its first bytes may be there already. Whoever is new has time to speak in any case."""
        buffered = conn.parser.unreader.buf
        if head_is_whole(buffered):
            self._go_on(conn)
            return
        begun = buffered.tell() > 0
        patience_s = self._patience.head_s if begun else self._patience.idle_s
        if is_new:
            patience_s = max(patience_s, self._patience.head_s)
        too_late = _head_too_slow(self._patience.head_s) if begun else None
        self._receive(_Guest(conn, time.monotonic() + patience_s, self._more_head, too_late, idle=not begun))

    def await_body(self, conn: Any, paused: BodyPaused) -> None:
        """Gather the rest of a body, then let the request begin anew with all of it."""
        limit_s = body_limit_s(paused.length, self._patience.body_s)
        late = BodyTooSlow(f"a body of {paused.length} bytes did not come within {limit_s:.1f} s")
        guest = _Guest(conn, time.monotonic() + limit_s, self._more_body, late, paused=paused)
        guest.body += paused.body
        conn.parser.unreader.take_buffered()  # the same bytes, where the request came through the parser
        self._gathered_bytes += len(guest.body)
        self._receive(guest)

    def see_off(self, conn: Any) -> None:
        """End a connection so that its client can still read the answer."""
        if conn.sock.unsent is not None:
            self._deliver(conn, partial(self.see_off, conn))
            return
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(conn)
            return
        self._receive(_Guest(conn, time.monotonic() + _FAREWELL_S, self._drop_more, None))

    def call_time(self) -> None:
        """End every wait whose time is up."""
        now_s = time.monotonic()
        for guest in [guest for guest in self._guests.values() if guest.until_s <= now_s]:
            if guest.too_late is None:
                self._dismiss(guest)
            else:
                self._refuse(guest, guest.too_late)

    @property
    def largest_crowd(self) -> int:
        """How many connections are here of the address with most of them."""
        return max(map(len, self._crowds.values()), default=0)

    def make_room(self) -> bool:
        """Of the address with most connections here, close the one that has been idle, or else here, for longest.

        Returns whether there was one.
        """
        crowd = max(self._crowds.values(), key=len, default={}).values()
        longest = next((guest for guest in crowd if guest.idle), None) or next(iter(crowd), None)
        if longest is not None:
            self._dismiss(longest)
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
                self._dismiss(guest)
            else:
                self._refuse(guest, NotReady("the server has stopped"))

    def _receive(self, guest: _Guest) -> None:
        guest.conn.sock.setblocking(False)
        if guest.idle:
            # who has just connected is about to send: to close that connection now would be to cut a request
            guest.until_s = min(guest.until_s, max(self._leave_by_s, time.monotonic() + _GREETING_S))
        self._guests[guest.conn] = guest
        self._crowds.setdefault(_address(guest), {})[guest.conn] = guest
        self._poller.register(guest.conn.sock, selectors.EVENT_READ, lambda _: guest.on_readable(guest))

    def _release(self, guest: _Guest) -> None:
        self._gathered_bytes -= len(guest.body)
        del self._guests[guest.conn]
        crowd = self._crowds[_address(guest)]
        del crowd[guest.conn]
        if not crowd:
            del self._crowds[_address(guest)]
        self._poller.unregister(guest.conn.sock)

    def _dismiss(self, guest: _Guest) -> None:
        self._release(guest)
        self._close(guest.conn)

    def _close(self, conn: Any) -> None:
        conn.close()
        self._left()

    def _read(self, guest: _Guest, at_most: int, *flags: int) -> int:
        """Receive into the scratch memory; -1 where nothing came yet, 0 at the end."""
        try:
            return int(guest.conn.sock.recv_into(self._scratch, min(at_most, _MOST_READ_BYTES), *flags))
        except (BlockingIOError, ssl.SSLWantReadError):
            return -1
        except OSError:
            return 0

    def _more_head(self, guest: _Guest) -> None:
        received = self._read(guest, _LEAST_READ_BYTES)
        if received <= 0:
            if received == 0:
                self._dismiss(guest)
            return
        buffered = guest.conn.parser.unreader.buf
        buffered.seek(0, 2)
        buffered.write(self._scratch[:received])
        if guest.idle:
            guest.idle = False
            guest.until_s = time.monotonic() + self._patience.head_s
            guest.too_late = _head_too_slow(self._patience.head_s)
        if head_is_whole(buffered):
            self._release(guest)
            self._go_on(guest.conn)
        elif _BARE_NEWLINE.search(buffered.getvalue()):
            # the parser would wait for a line's end that this client never sends
            self._refuse(guest, HeadInvalid("a line of the request's head ends in a bare LF; expected CR LF"))
        elif buffered.tell() > _LONGEST_HEAD_BYTES:
            self._refuse(guest, _too_long(buffered.getvalue()))

    def _more_body(self, guest: _Guest) -> None:
        paused = guest.paused
        assert paused is not None
        received = self._read(guest, paused.length - len(guest.body))
        if received == 0:
            said = f"the body ended after {len(guest.body)} of {paused.length} bytes"
            self._refuse(guest, IncompleteBody(said))
            return
        if received < 0:
            return
        if self._gathered_bytes + received > _GATHERED_BYTES:
            self._refuse(guest, NoFreeSlot("too many bodies arrive slowly at the same time; try again shortly"))
            return
        guest.body += self._scratch[:received]
        self._gathered_bytes += received
        if len(guest.body) == paused.length:
            self._release(guest)
            guest.conn.parser.mesg = None  # so the parser does not look for the rest of this body
            guest.conn.parser.unreader.unread(paused.head + guest.body)
            self._go_on(guest.conn)

    def _drop_more(self, guest: _Guest) -> None:
        # TLS knows no flags; without it the kernel throws the bytes away and copies none
        flags = () if isinstance(guest.conn.sock, ssl.SSLSocket) else (socket.MSG_TRUNC,)
        received = self._read(guest, _MOST_READ_BYTES, *flags)
        guest.dropped_bytes += max(received, 0)
        if received == 0 or guest.dropped_bytes > _FAREWELL_BYTES:
            self._dismiss(guest)

    def _refuse(self, guest: _Guest, error: FramemillError) -> None:
        """Answer a request that never became one."""
        self._release(guest)
        self._refused(error)
        status, headers, body = answer_to(error)
        head = response_head("1.1", status, [*headers, ("Content-Length", str(len(body)))], keep=False)
        try:
            guest.conn.sock.sendall(head + body)
        except OSError:
            self._close(guest.conn)
        else:
            self.see_off(guest.conn)


def _address(guest: _Guest) -> str:
    return str(guest.conn.client[0])


def _too_long(head: bytes) -> FramemillError:
    if b"\r\n" not in head:
        return TargetTooLong(f"the first line of the request has more than {_LONGEST_HEAD_BYTES} bytes")
    return HeadTooLarge(f"the request's head has more than {_LONGEST_HEAD_BYTES} bytes")


def _head_too_slow(limit_s: float) -> HeadTooSlow:
    return HeadTooSlow(f"the request's head did not come within {limit_s:g} s")
