"""`GET /api/v1/parts/{part}`: what became of a part, or what is known of it so far; waited for on request."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Any

import falcon
import orjson

from service.intake.params import query_values, wait_for_part_s
from service.own_errors import HistoryAway, NoHistory, NotFound
from service.parts.link import DeskAway
from service.parts.messages import MOST_ANSWER_BYTES, NOBODY_KNOWS
from workers.errors import NoFreeSlot, NotReady
from workers.pool.job import MAX_PART_BYTES

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from service.history.stored import Stored
    from service.parts.link import DeskLink
    from service.parts.plans import Plans

_LOOK_MS = 250  # whether the server stops
_DESK_S = 1.0  # beyond the time that is waited for
_PAUSE_S = 0.02
MOST_WAITING = 32  # of a front: each has a thread


class PartResource:
    """Of one front; `stops` says whether the server is about to end."""

    def __init__(self, link: DeskLink, plans: Plans, stored: Stored, stops: Callable[[], bool]) -> None:
        self._link = link
        self._plans = plans
        self._stored = stored
        self._stops = stops
        self._waiting = 0

    def on_get(self, req: falcon.Request, resp: falcon.Response, part: str) -> None:
        """Answer with the newest part of that name.

        Raises:
            NotFound: nobody knows one, or not any more.
            NoFreeSlot: as many wait for parts as may.
        """
        if len(part.encode("utf-8", "replace")) > MAX_PART_BYTES:
            raise NotFound(f"a part's name has {MAX_PART_BYTES} bytes at most")
        wait_s = wait_for_part_s(query_values(req))
        if wait_s and self._waiting >= MOST_WAITING:
            raise NoFreeSlot(f"{MOST_WAITING} wait for parts already; ask without waiting, or a little later")
        self._waiting += 1
        try:
            told = self._asked(part, wait_s) or self._of_history(part)
        finally:
            self._waiting -= 1
        if told is None:
            raise NotFound(f"no part {part[:80]!r} is known")
        resp.data = told
        resp.content_type = falcon.MEDIA_JSON
        resp.set_header("Cache-Control", "no-store")

    on_head = on_get

    def _asked(self, part: str, wait_s: float) -> bytes:
        """Ask the part desk; nothing where it knows none. One that dies meanwhile is asked anew."""
        if not self._plans.has_some:
            return b""
        until_s = time.monotonic() + wait_s
        while True:
            try:
                with self._link.ask(part, max(0.0, until_s - time.monotonic())) as link:
                    if told := self._heard(link, until_s + _DESK_S):
                        return told if told != NOBODY_KNOWS else b""
            except DeskAway:
                raise NotReady("what joins the views of parts does not answer now; it is started again") from None
            time.sleep(_PAUSE_S)

    def _heard(self, link: socket.socket, give_up_s: float) -> bytes:
        """Return what is told; nothing where there is nobody any more to tell it."""
        poll = select.poll()
        poll.register(link, select.POLLIN)
        while not poll.poll(_LOOK_MS):
            if self._stops():
                raise NotReady("the server stops")
            if time.monotonic() > give_up_s:
                raise DeskAway
        if time.monotonic() > give_up_s:
            raise DeskAway
        try:
            return link.recv(MOST_ANSWER_BYTES)
        except ConnectionError:  # it ended before it had read what it was asked
            return b""

    def _of_history(self, part: str) -> bytes | None:
        if not self._stored.is_kept:
            return None
        try:
            found = self._newest(part)
        except (NoHistory, HistoryAway):
            return None
        return orjson.dumps({"state": "ended", **found}) if found else None

    def _newest(self, part: str) -> dict[str, Any] | None:
        # imported here: a front that nobody asks loads no database
        from service.history.part_lookup import newest_of  # noqa: PLC0415

        with self._stored.read() as connection:
            return newest_of(connection, part)
