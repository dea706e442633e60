"""The server that this one follows, until it has ended: the other end of successor.py."""

from __future__ import annotations

import selectors
from contextlib import suppress
from typing import TYPE_CHECKING

from workers.supervisor.successor import KILL, STOP

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable


class Predecessor:
    """At most one, behind `link`; `on_stop` and `on_kill` are called where it was asked to, `on_ended` at its end."""

    def __init__(
        self,
        link: socket.socket | None,
        selector: selectors.BaseSelector,
        on_stop: Callable[[], None],
        on_kill: Callable[[], None],
        on_ended: Callable[[], None],
    ) -> None:
        self._link = link
        self._selector = selector
        self._acts = {STOP: on_stop, KILL: on_kill}
        self._on_ended = on_ended

    @property
    def is_there(self) -> bool:
        """Whether there is one that lives."""
        return self._link is not None

    def watch(self) -> None:
        """Hear of it from now on."""
        if self._link is not None:
            self._selector.register(self._link, selectors.EVENT_READ, self._on_message)

    def pass_on_stop(self) -> None:
        """Tell it that this server was asked to stop."""
        if self._link is not None:
            with suppress(OSError):  # it is ending by itself
                self._link.send(STOP)

    def _on_message(self) -> None:
        assert self._link is not None
        message = b""
        with suppress(OSError):
            message = self._link.recv(64)
        if message:
            self._acts.get(message, lambda: None)()
            return
        self._selector.unregister(self._link)
        self._link.close()
        self._link = None
        self._on_ended()
