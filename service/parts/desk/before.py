"""The part desk of the server before this one: it has the parts that are open until it lets go of them.

While both servers answer, views of one part come by the fronts of either. So there is one desk, that of the server
before; this one's passes on what its fronts say, and what is answered. When the last front of that server has ended its
desk shuts the link down, and the parts, which lie in memory that both have, are this desk's. What has no answer by then
is done here, once more or for the first time: the same frame changes a part only once.
"""

from __future__ import annotations

import itertools
import socket
import time
from contextlib import suppress

from service.parts.desk.asking import send
from service.parts.desk.hearing import Heard, pass_on
from service.parts.messages import MOST_ANSWER_BYTES, REQUEST, Kind

_MOST_LEFT = 4096


class Before:
    """For one thread; `link` is this server's end."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self._requests = itertools.count(time.time_ns())  # a desk before this one had others
        self._left: dict[int, Heard] = {}

    def take(self, heard: Heard) -> None:
        """Pass on what a front has said."""
        request = next(self._requests)
        with suppress(OSError):  # it has just let go, or is away: then its front is told of an error
            pass_on(self.link, heard, request)
        heard.drop()
        if heard.said.kind is Kind.FRAME:
            self._left[request] = heard._replace(asking=())
            if len(self._left) > _MOST_LEFT:
                del self._left[next(iter(self._left))]

    def has_let_go(self) -> bool:
        """Pass answers back; whether there will be no more of them."""
        while True:
            try:
                packed = self.link.recv(MOST_ANSWER_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return False
            except OSError:
                return True
            if not packed:
                return True
            if len(packed) >= REQUEST.size:
                heard = self._left.pop(REQUEST.unpack_from(packed)[0], None)
                if heard is not None:
                    send(heard.link, REQUEST.pack(heard.request) + packed[REQUEST.size :])

    def left(self) -> list[Heard]:
        """Return what has no answer, in the order in which it came."""
        return [*self._left.values()]
