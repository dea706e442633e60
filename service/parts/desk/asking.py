"""Who asks the part desk for a part, and waits until it has ended, or a time is over. Nobody is waited for."""

from __future__ import annotations

import select
import socket
from contextlib import suppress
from typing import Any, NamedTuple

import orjson

_MOST = 512


class One(NamedTuple):
    """Who asks, by which socket, for which part, and until when (CLOCK_MONOTONIC)."""

    link: socket.socket
    part: str
    by_ns: int


class Asking:
    """All who wait; `poll` tells, by the descriptor of a socket, that its other end has been let go of."""

    def __init__(self, poll: select.poll) -> None:
        self._poll = poll
        self._by_fd: dict[int, One] = {}

    def may_wait(self, one: One, now_ns: int) -> bool:
        """Whether there is time for that, and room."""
        return one.by_ns > now_ns and len(self._by_fd) < _MOST

    def add(self, one: One) -> None:
        """Have somebody wait."""
        self._by_fd[one.link.fileno()] = one
        self._poll.register(one.link, 0)  # its end is told all the same

    def tell(self, part: str, document: dict[str, Any]) -> None:
        """Tell all who wait for a part that has ended."""
        for fd, one in [*self._by_fd.items()]:
            if one.part == part:
                send(one.link, orjson.dumps(document))
                self.forget(fd)

    def overdue(self, now_ns: int) -> list[One]:
        """Return those whose time is over, to be told what is known, and let go of."""
        return [one for one in self._by_fd.values() if one.by_ns <= now_ns]

    def forget(self, fd: int) -> None:
        """Let go of one, if it is there."""
        if fd in self._by_fd:
            self._poll.unregister(fd)
            self._by_fd.pop(fd).link.close()

    @property
    def next_due_ns(self) -> int | None:
        """When the next one has waited long enough."""
        return min((one.by_ns for one in self._by_fd.values()), default=None)


def send(link: socket.socket, packed: bytes) -> None:
    """Tell what somebody would like to hear; who does not listen is not waited for."""
    with suppress(OSError):
        link.send(packed, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
