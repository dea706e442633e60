"""Reading the project for a reload, in a process of its own: it may be large, on a slow disk, or hostile to its parser.

::

    supervisor --fork--> child: copies and checks the project
        |<===== "P" and the project, pickled, or "E" and why not ============|  whole at the end of the stream
        |------ closes its end, once it holds the copy itself -------------->|  ends, and lets the copy go

What is pickled was made by our own parser in a fork of this process: no user code has run there.
"""

from __future__ import annotations

import os
import pickle
import selectors
import signal
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from workers.crew.fork import Birth
from workers.errors import FramemillError
from workers.this_process import die_with_parent

if TYPE_CHECKING:
    from workers.flow.project import Project

_PIECE_BYTES = 1 << 16
_PROJECT, _ERROR = b"P", b"E"


class Reloading:
    """At most one reload that reads; another that is asked for meanwhile follows it.

    `read` reads the project, in the child; `on_read` is told what it returned, `on_failed` why that failed.
    """

    def __init__(
        self,
        read: Callable[[], Project],
        limit_ms: int,
        selector: selectors.BaseSelector,
        on_read: Callable[[Project], None],
        on_failed: Callable[[str], None],
    ) -> None:
        self._read = read
        self._limit_ms = limit_ms
        self._selector = selector
        self._on_read = on_read
        self._on_failed = on_failed
        self._link: socket.socket | None = None
        self._pid = 0
        self._pidfd = -1
        self._said = b""
        self._give_up_s = 0.0
        self._again = False

    @property
    def pids(self) -> set[int]:
        """The process, nothing where there is none."""
        return {self._pid} if self._pid else set()

    def start(self) -> None:
        """Read the project, once more where that is under way."""
        if self._pid:
            self._again = True
            return
        try:
            self._start()
        except OSError as error:
            self._on_failed(str(error))

    def _start(self) -> None:
        with Birth() as birth:
            ours, theirs = birth.sockets(lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM))
            self._pid, self._pidfd = birth.fork(lambda parent: _live(self._read, theirs, ours, parent))
        self._link = ours
        self._said = b""
        self._give_up_s = time.monotonic() + self._limit_ms / 1000
        self._selector.register(ours, selectors.EVENT_READ, self._on_said)
        self._selector.register(self._pidfd, selectors.EVENT_READ, self._on_ended)

    def watch(self) -> None:
        """End one that takes too long."""
        if self._link is not None and time.monotonic() > self._give_up_s:
            self.kill()
            self._finish(_ERROR + f"it was not read within {self._limit_ms} ms (boot_ms)".encode())

    def kill(self) -> None:
        """End the process."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)

    def _on_said(self) -> None:
        assert self._link is not None
        piece = self._link.recv(_PIECE_BYTES)
        self._said += piece
        if not piece:
            self._finish(self._said or _ERROR + b"the process that reads it died")

    def _finish(self, said: bytes) -> None:
        assert self._link is not None
        self._selector.unregister(self._link)
        link, self._link = self._link, None
        with link:
            if said[:1] == _PROJECT:
                self._on_read(pickle.loads(said[1:]))  # noqa: S301 - see above
            else:
                self._on_failed(said[1:].decode())

    def _on_ended(self) -> None:
        if self._link is not None:
            self._on_said()
            return
        os.waitpid(self._pid, 0)
        self._selector.unregister(self._pidfd)
        os.close(self._pidfd)
        self._pid = 0
        if self._again:
            self._again = False
            self.start()


def _live(read: Callable[[], Project], link: socket.socket, parents: socket.socket, parent_pid: int) -> NoReturn:
    try:
        parents.close()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2):
            signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)
        die_with_parent(parent_pid)
        try:
            said = _PROJECT + pickle.dumps(read())
        except FramemillError as error:
            said = _ERROR + error.message.encode("utf-8", "backslashreplace")
        except Exception as error:  # noqa: BLE001 - a disk that fails, say: the supervisor tells it
            said = _ERROR + f"{type(error).__name__}: {error}".encode("utf-8", "backslashreplace")
        link.sendall(said)
        link.shutdown(socket.SHUT_WR)
        link.recv(1)  # its end
    finally:
        os._exit(0)
