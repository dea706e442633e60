"""Bodies that do not flow: gathered in the front's main loop, without a thread, until their request can begin anew."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from service.connections.guests import Guest
from service.wire.gathered import Gathered
from service.wire.gathering import ended_early
from workers.errors import BodyTooSlow, FramemillError, IncompleteBody

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.connections.lobby import Lobby
    from service.wire.gathered import SetAside
    from service.wire.gathering import Gathering


class SlowBodies:
    """Used by the main thread alone; `most_s` is the longest time that a body may take.

    `go_on` takes a connection whose request can begin anew to a thread.
    """

    def __init__(self, lobby: Lobby, most_s: float, go_on: Callable[[Any], None]) -> None:
        self._lobby = lobby
        self._most_s = most_s
        self._go_on = go_on

    def await_body(self, conn: Any, aside: SetAside) -> None:
        """Gather the rest of a body, then let the request begin anew with all of it."""
        body = aside.body
        limit_s = body_limit_s(body.length, self._most_s)
        late = BodyTooSlow(f"{_name(body)} did not come within {limit_s:.1f} s")
        guest = Guest(conn, time.monotonic() + limit_s, partial(self._more, aside), late, body=body)
        # what came with the head is in the body too
        conn.parser.unreader.take_buffered()
        body.on_let_go = partial(self._lobby.let_go, guest)
        if body.is_over:  # it was let go before anybody could be told
            self._lobby.let_go(guest)
        self._lobby.stay(guest)
        self._lobby.catch_up(guest)

    def _more(self, aside: SetAside, guest: Guest) -> None:
        body = aside.body
        try:
            received = body.receive(guest.conn.sock)
        except FramemillError as error:
            self._lobby.refuse(guest, error)
            return
        if received == 0:
            self._lobby.refuse(guest, IncompleteBody(ended_early(body)))
        elif body.is_whole:
            self._begin_anew(aside, guest)

    def _begin_anew(self, aside: SetAside, guest: Guest) -> None:
        guest.body = aside.body.on_let_go = None
        self._lobby.release(guest)
        parser = guest.conn.parser
        parser.mesg = None  # so that it does not look for the rest of this body
        parser.unreader.unread(aside.head + aside.body.behind)
        parser.unreader.gathered = Gathered(aside.body, parser.unreader)
        self._go_on(guest.conn)


def body_limit_s(length: int | None, most_s: float) -> float:
    """How long a body of `length` bytes may take in all: two seconds and one for each megabyte, at most `most_s`."""
    return most_s if length is None else min(most_s, 2.0 + length / 1e6)


def _name(body: Gathering) -> str:
    return "a chunked body" if body.length is None else f"a body of {body.length} bytes"
