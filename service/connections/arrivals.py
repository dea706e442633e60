"""New connections of one front: which are taken, and what makes room for them."""

from __future__ import annotations

import errno
import logging
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from gunicorn.workers.gthread import TConn

from service.connections.close_listener import let_in, shut, stop_handshakes
from service.connections.even_share import EvenShare
from service.wire.unsent import PlainClient

_log = logging.getLogger(__name__)

_NO_DESCRIPTORS_S = 0.5
_COMPLAINT_S = 1.0
_AT_ONCE = 16
_SHUT_S = 0.005


class Place(Protocol):
    """Where connections are that no thread has."""

    @property
    def largest_crowd(self) -> int:
        """How many are of the address with most of them."""

    def make_room(self) -> bool:
        """Close one of these; returns whether there was one."""


class Arrivals:
    """Takes connections from the listeners of `worker`, gunicorn's, and hands them to `greet`.

    `places` are asked for room where there are too many. `count` is how many connections the front has.
    """

    def __init__(self, worker: Any, share: EvenShare, places: Sequence[Place], greet: Callable[[TConn], None]) -> None:
        self.count = 0
        self._worker = worker
        self._share = share
        self._places = places
        self._greet = greet
        self._from_s = 0.0
        self._complain_from_s = 0.0
        self._door_closes = False

    def patience_s(self, most_s: float) -> float:
        """How long the main loop may wait for events before it looks again: not long while nobody is let in."""
        wait_s = self._share.patience_s(most_s)
        return wait_s if self._worker._accepting else min(wait_s, _SHUT_S)  # noqa: SLF001 - gunicorn's

    def look(self, now_s: float, *, is_open: bool) -> None:
        """Say how many there are, and have the poller look at the listeners where it may. Called at every turn."""
        may_accept = is_open and now_s >= self._from_s
        self._share.note(self.count, counts=may_accept)
        if may_accept and not self._worker._accepting and self._share.is_open(now_s):  # noqa: SLF001 - gunicorn's
            self._worker.set_accept_enabled(True)

    def take_some(self, listener: socket.socket, *, is_open: bool) -> None:
        """Take some at once, for where much goes on a turn takes its time; leave them to a front that has fewer."""
        for _ in range(_AT_ONCE):
            if is_open and not self._share.is_mine(self.count):
                self._worker.set_accept_enabled(False)
            if not self._worker._accepting or not self._take_one(listener):  # noqa: SLF001 - gunicorn's
                break

    def take_all(self) -> None:
        """Take whoever is there."""
        for listener in self._worker.sockets:
            while self._worker._accepting and self._take_one(listener):  # noqa: SLF001 - gunicorn's
                pass

    def let_nobody_knock(self) -> None:
        """Stop new handshakes: the listener ends with this front."""
        self._door_closes = True
        for listener in self._worker.sockets:
            stop_handshakes(listener)

    def close(self) -> None:
        """Take nobody any more."""
        self._worker.set_accept_enabled(False)
        if self._door_closes:
            for listener in self._worker.sockets:
                shut(listener)

    def count_out(self) -> None:
        """Hear that a connection has ended."""
        self.count -= 1

    def _take_one(self, listener: socket.socket) -> bool:
        """Returns whether there was one."""
        if self.count >= self._worker.worker_connections:
            self._make_room()
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
                self._suffer(error)
            return error.errno == errno.ECONNABORTED
        if self._door_closes:
            let_in(client)
        self.count += 1
        self._greet(TConn(self._worker.cfg, PlainClient.of(client), address, listener.getsockname()))
        return True

    def _suffer(self, error: OSError) -> None:
        """Let an idle connection go for who comes, and one more, for files are opened too; where none is, wait."""
        now_s = time.monotonic()
        found = self._make_room() and self._make_room()
        if now_s >= self._complain_from_s:
            self._complain_from_s = now_s + _COMPLAINT_S
            what = "idle ones are closed for it" if found else "it has to wait"
            _log.error("there is no descriptor for a connection: %s; %s", error, what)
        if not found:
            self._from_s = now_s + _NO_DESCRIPTORS_S
            self._worker.set_accept_enabled(False)

    def _make_room(self) -> bool:
        """Close a connection that no thread has, of the address with most of them; returns whether there was one."""
        return max(self._places, key=lambda place: place.largest_crowd).make_room()
