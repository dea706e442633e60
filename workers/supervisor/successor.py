"""The server that follows this one: started beside it, it takes over once it is ready, or never.

It is the same command, so it finds whatever version, settings and project are there now. It inherits the socket that
clients connect to and one end of a pair of sockets, through which it says "ready" once it answers frames. Then this
server stops as always; if the other one ends before, or does not get ready, this one goes on as if nothing had been.

While both are there they are one server to who asks it to stop: this one passes it on through the same pair ("stop",
asked again "kill"), and so does one that is asked over HTTP before it was ready.
"""

from __future__ import annotations

import logging
import os
import selectors
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

_log = logging.getLogger(__name__)

READY = b"ready"
STOP = b"stop"
KILL = b"kill"


class Started(NamedTuple):
    """A server that was started to follow this one, and the end of the pair of sockets that is ours."""

    process: subprocess.Popen[bytes]
    link: socket.socket


class Successor:
    """At most one server that is to follow; `start` makes its process, `on_ready` and `on_failed` say how it went.

    `on_stop` is called where it was asked to stop, and passes that on to this server.
    """

    def __init__(
        self,
        start: Callable[[], Started],
        selector: selectors.BaseSelector,
        on_ready: Callable[[int], None],
        on_failed: Callable[[], None],
        on_stop: Callable[[], None],
    ) -> None:
        self._start = start
        self._selector = selector
        self._on_ready = on_ready
        self._on_failed = on_failed
        self._on_stop = on_stop
        self._started: Started | None = None
        self._pidfd = -1
        self._give_up_at = 0.0
        self._took_over = False
        self._asked = False

    @property
    def is_on_its_way(self) -> bool:
        """Whether one was started that has neither taken over nor failed."""
        return self._started is not None and not self._took_over

    @property
    def pids(self) -> set[int]:
        """The process id, nothing where there is none."""
        return {self._started.process.pid} if self._started is not None else set()

    def start(self, patience_s: float) -> None:
        """Start it; raises OSError. After `patience_s` it is killed, unless it is ready by then."""
        self._started = self._start()
        self._pidfd = os.pidfd_open(self._started.process.pid)
        self._give_up_at = time.monotonic() + patience_s
        self._selector.register(self._pidfd, selectors.EVENT_READ, self._on_ended)
        self._selector.register(self._started.link, selectors.EVENT_READ, self._on_message)

    def watch(self) -> None:
        """End one that takes too long."""
        if self.is_on_its_way and time.monotonic() > self._give_up_at:
            _log.error("the server that was to follow is not ready in time; it is killed")
            self._give_up_at = float("inf")
            self.kill()

    def stop(self) -> bool:
        """End it where it is on its way; ask it to stop where it took over. Returns whether that is news to it."""
        if self.is_on_its_way and self._is_ready():
            self._on_message()
        self.kill()
        if self._started is None or not self._took_over:
            return False
        news, self._asked = not self._asked, True
        with suppress(OSError):  # it may have ended meanwhile
            self._started.link.send(STOP if news else KILL)
        return news

    def _is_ready(self) -> bool:
        """Whether it has just said so: then it answers, and is not to be killed."""
        assert self._started is not None
        with suppress(BlockingIOError):
            return self._started.link.recv(64, socket.MSG_PEEK | socket.MSG_DONTWAIT) == READY
        return False

    def kill(self) -> None:
        """End it, unless it took over."""
        if self.is_on_its_way and self._started is not None:
            self._started.process.kill()

    def _on_message(self) -> None:
        assert self._started is not None
        message = self._started.link.recv(64)
        if message == READY:
            self._took_over = True
            self._on_ready(self._started.process.pid)
        elif message == STOP:
            self._on_stop()
        else:
            self._selector.unregister(self._started.link)

    def _on_ended(self) -> None:
        assert self._started is not None
        status = self._started.process.wait()
        self._selector.unregister(self._pidfd)
        os.close(self._pidfd)
        if self._started.link in self._selector.get_map():
            self._selector.unregister(self._started.link)
        self._started.link.close()
        self._started = None
        if not self._took_over:
            _log.error(
                "the server that was to follow ended with status %d before it was ready; this one goes on", status
            )
            self._on_failed()
