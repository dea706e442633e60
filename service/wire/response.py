"""A picture on its way from its slot to the client, past gunicorn's own response object.

It relies on this: writing `b""` makes gunicorn's response send its headers, and after that the socket is ours until the
response is over.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator
from typing import Any

from service.wire.unsent import Outgoing

_HOLD_SLOT_S = 0.25  # a client that has not taken its picture by then gets it from a copy
_HOLD_STEP_MS = 10  # how soon it is seen that somebody needs the slot


class SlotStream:
    """An answer sent from the slot, as a WSGI iterable; `release` gives the slot back, once, whatever happens.

    A thread waits a moment for a client that does not take all of it at once, as long as nobody else `may_need` the
    slot; then the rest is copied out.
    """

    def __init__(
        self, env: dict[str, Any], view: memoryview, may_need: Callable[[], bool], release: Callable[[], None]
    ) -> None:
        connection = env.get("gunicorn.socket")
        self._connection = connection if isinstance(connection, Outgoing) else None
        self._view = view
        self._may_need = may_need
        self._release: Callable[[], None] | None = release

    def __iter__(self) -> Iterator[bytes]:
        """Send as much as the client takes, hold the rest for it, and give the slot back."""
        if self._connection is None:
            copied = bytes(self._view)
            self.close()
            yield copied
            return
        yield b""
        rest = self._view if self._connection.unsent else _send_some(self._connection, self._view, self._may_need)
        if rest:
            self._connection.hold(rest)
        self.close()

    def close(self) -> None:
        """Give the slot back; WSGI servers call this at the end in any case."""
        if self._release is not None:
            release, self._release = self._release, None
            release()

    def __del__(self) -> None:
        """Give the slot back where the server met a fault before it asked for the answer, and so never closes it."""
        self.close()


def _send_some(connection: Outgoing, view: memoryview, may_need: Callable[[], bool]) -> memoryview:
    """Send until all is sent, the client has been slow for too long, or somebody waits; returns what is left."""
    poll = select.poll()
    poll.register(connection, select.POLLOUT)
    give_up = time.monotonic() + _HOLD_SLOT_S
    while True:
        view = view[connection.take(view) :]
        if not view:
            return view
        while True:
            if may_need() or time.monotonic() > give_up:
                return view
            if poll.poll(_HOLD_STEP_MS):
                break
