"""Who waits in a front's main loop: each connection with its deadline, and all of an address together."""

from __future__ import annotations

import math
import selectors
import ssl
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from service.wire.request_head import HeadSearch

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from service.wire.gathering import Gathering
    from service.wire.holdings import Holding
    from workers.errors import FramemillError

_GREETING_S = 0.25


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

    @property
    def address(self) -> str:
        """Whose connection it is."""
        return str(self.conn.client[0])


class Guests:
    """Used by the main thread alone. A guest that has not left before is called whenever its connection has something.

    What it is called for may raise SSLWantWriteError: then it is called again once the connection takes something.
    """

    def __init__(self, poller: selectors.BaseSelector) -> None:
        self._poller = poller
        self._guests: dict[Any, Guest] = {}
        self._crowds: dict[str, dict[Any, Guest]] = {}  # the same, by address; who came first is first
        self._leave_by_s = math.inf

    def stay(self, guest: Guest) -> None:
        """Let a connection wait here: `on_ready` is called whenever it has something, `release` ends that."""
        guest.conn.sock.setblocking(False)
        if guest.idle:
            # who has just connected is about to send: to close that connection now would be to cut a request
            guest.until_s = min(guest.until_s, max(self._leave_by_s, time.monotonic() + _GREETING_S))
        self._guests[guest.conn] = guest
        self._crowds.setdefault(guest.address, {})[guest.conn] = guest
        # by number: TLS puts another object in the place of the socket
        self._poller.register(guest.conn.sock.fileno(), guest.awaits, lambda _: self.go_on_with(guest))

    def release(self, guest: Guest) -> None:
        """Let it go on elsewhere; what is held for it is given back."""
        for held in (guest.half, guest.body):
            if held is not None:
                held.release()
        del self._guests[guest.conn]
        crowd = self._crowds[guest.address]
        del crowd[guest.conn]
        if not crowd:
            del self._crowds[guest.address]
        self._poller.unregister(guest.conn.sock.fileno())

    def has(self, guest: Guest) -> bool:
        """Whether it still waits here, and for the same."""
        return self._guests.get(guest.conn) is guest

    def guest_of(self, conn: Any) -> Guest | None:
        """Return what a connection waits for, None where it does not wait here."""
        return self._guests.get(conn)

    def everybody(self) -> list[Guest]:
        """Return all of them."""
        return list(self._guests.values())

    def overdue(self) -> list[Guest]:
        """Return those whose time is up."""
        now_s = time.monotonic()
        return [guest for guest in self._guests.values() if guest.until_s <= now_s]

    @property
    def largest_crowd(self) -> int:
        """How many connections are here of the address with most of them."""
        return max(map(len, self._crowds.values()), default=0)

    def longest_of_the_most(self) -> Guest | None:
        """Of the address with most connections here, return the one that has been idle, or else here, for longest."""
        crowd = max(self._crowds.values(), key=len, default={}).values()
        return next((guest for guest in crowd if guest.idle), None) or next(iter(crowd), None)

    def hurry(self, until_s: float) -> None:
        """Let nobody who has not begun a request stay beyond `until_s` (CLOCK_MONOTONIC)."""
        self._leave_by_s = until_s
        for guest in self._guests.values():
            if guest.idle:
                guest.until_s = min(guest.until_s, until_s)

    def catch_up(self, guest: Guest) -> None:
        """Call a guest that came with bytes of which no poller tells, if it is still here."""
        if self.has(guest) and _has_more(guest.conn.sock):
            self.go_on_with(guest)

    def go_on_with(self, guest: Guest) -> None:
        """Call a guest that is here for as long as it has something, and wait for what it then waits for."""
        # somebody may have closed it since the poller said so
        while self.has(guest):
            awaits = selectors.EVENT_READ
            try:
                guest.on_ready(guest)
            except ssl.SSLWantWriteError:
                awaits = selectors.EVENT_WRITE
            if self.has(guest) and awaits != guest.awaits:
                guest.awaits = awaits
                self._poller.modify(guest.conn.sock.fileno(), awaits, lambda _: self.go_on_with(guest))
            if awaits == selectors.EVENT_WRITE or not _has_more(guest.conn.sock):
                return


def _has_more(connection: socket.socket) -> bool:
    """Whether TLS has bytes for us that no poller tells of."""
    return isinstance(connection, ssl.SSLSocket) and connection.pending() > 0
