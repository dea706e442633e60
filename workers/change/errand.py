"""Something that may take a while, or read what is hostile to its parser, in a process of its own.

::

    supervisor --fork--> child: does it
        |<===== "R" and what came of it, pickled, or "E" and why not ========|  whole at the end of the stream
        |------ closes its end, once it holds what it needs of it ---------->|  ends, and lets go

Another one may begin while that one still ends: who was told what came of it may ask for more at once.

What is pickled was made by our own code in a fork of this process: no user code has run there.
"""

from __future__ import annotations

import os
import pickle
import selectors
import signal
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from workers.crew.fork import Birth
from workers.errors import FramemillError
from workers.this_process import die_with_parent

_PIECE_BYTES = 1 << 16
_RESULT, _ERROR = b"R", b"E"


class Errand:
    """At most one process at a time that does `do`; `on_done` is told what came of it, `on_failed` why nothing did.

    `what` says what it was to do, in a message where it takes longer than `limit_ms`, the setting `limit`.
    """

    def __init__(
        self,
        what: str,
        limit_ms: int,
        selector: selectors.BaseSelector,
        *,
        on_done: Callable[[Any], None],
        on_failed: Callable[[str], None],
        limit: str = "boot_ms",
    ) -> None:
        self._what = what
        self._limit = f"{limit_ms} ms ({limit})"
        self._limit_s = limit_ms / 1000
        self._selector = selector
        self._on_done = on_done
        self._on_failed = on_failed
        self._link: socket.socket | None = None
        self._pidfd = -1  # of the one that does it
        self._living: dict[int, int] = {}
        self._said = b""
        self._give_up_s = 0.0

    @property
    def pids(self) -> set[int]:
        """The process, and those before it that still end."""
        return {*self._living.values()}

    @property
    def is_under_way(self) -> bool:
        """Whether it is not known yet what comes of it."""
        return self._link is not None

    def start(self, do: Callable[[], Any]) -> None:
        """Do it; not where another is under way."""
        try:
            self._start(do)
        except OSError as error:
            self._on_failed(error.strerror or str(error))

    def _start(self, do: Callable[[], Any]) -> None:
        with Birth() as birth:
            ours, theirs = birth.sockets(lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM))
            pid, pidfd = birth.fork(lambda parent: _live(do, theirs, ours, parent))
        self._link, self._pidfd, self._living[pidfd] = ours, pidfd, pid
        self._said = b""
        self._give_up_s = time.monotonic() + self._limit_s
        self._selector.register(ours, selectors.EVENT_READ, self._on_said)
        self._selector.register(pidfd, selectors.EVENT_READ, partial(self._on_ended, pidfd))

    def watch(self) -> None:
        """End one that takes too long."""
        if self._link is not None and time.monotonic() > self._give_up_s:
            self.kill()
            self._finish(_ERROR + f"{self._what} within {self._limit}".encode())

    def kill(self) -> None:
        """End what is there."""
        for pid in self._living.values():
            os.kill(pid, signal.SIGKILL)

    def _on_said(self) -> None:
        assert self._link is not None
        piece = self._link.recv(_PIECE_BYTES)
        self._said += piece
        if not piece:
            self._finish(self._said or _ERROR + b"the process that was to do it died")

    def _finish(self, said: bytes) -> None:
        assert self._link is not None
        self._selector.unregister(self._link)
        link, self._link = self._link, None
        with link:
            if said[:1] == _RESULT:
                self._on_done(pickle.loads(said[1:]))  # noqa: S301 - see above
            else:
                self._on_failed(said[1:].decode())

    def _on_ended(self, pidfd: int) -> None:
        if self._link is not None and pidfd == self._pidfd:
            self._on_said()
            return
        os.waitpid(self._living.pop(pidfd), 0)
        self._selector.unregister(pidfd)
        os.close(pidfd)


def _live(do: Callable[[], Any], link: socket.socket, parents: socket.socket, parent_pid: int) -> NoReturn:
    try:
        parents.close()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2):
            signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)
        die_with_parent(parent_pid)
        try:
            said = _RESULT + pickle.dumps(do())
        except FramemillError as error:
            said = _ERROR + error.message.encode("utf-8", "backslashreplace")
        except Exception as error:  # noqa: BLE001 - a disk that fails, say: the supervisor tells it
            said = _ERROR + f"{type(error).__name__}: {error}".encode("utf-8", "backslashreplace")
        link.sendall(said)
        link.shutdown(socket.SHUT_WR)
        link.recv(1)  # its end
    finally:
        os._exit(0)
