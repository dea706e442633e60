"""Making a process so that nothing is left behind where the machine has no process, or no descriptor, to give."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import NoReturn, Self

_NAMED = frozenset(signal.Signals)


class Birth:
    """Makes the pipes of a child, and the child; in the parent, closes the child's ends, and all where one failed."""

    def __enter__(self) -> Self:
        """Begin with nothing."""
        self._theirs = ExitStack()
        self._where_it_fails = ExitStack()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Close what the parent does not need."""
        self._theirs.close()
        if error is not None:
            self.fail()

    def fail(self) -> None:
        """Close the parent's ends too: there is no child."""
        self._where_it_fails.close()

    def pipe_from(self, make: Callable[[], tuple[int, int]] = os.pipe) -> tuple[int, int]:
        """Make a pipe that the child writes to; returns its reading and its writing end."""
        ours, theirs = make()
        self._keep(ours, theirs)
        return ours, theirs

    def pipe_to(self) -> tuple[int, int]:
        """Make a pipe that the child reads from; returns its reading and its writing end."""
        theirs, ours = os.pipe()
        self._keep(ours, theirs)
        return theirs, ours

    def shared(self, fd: int) -> int:
        """Keep a descriptor that parent and child both have; returns it."""
        self._where_it_fails.callback(os.close, fd)
        return fd

    def sockets(self, make: Callable[[], tuple[socket.socket, socket.socket]]) -> tuple[socket.socket, socket.socket]:
        """Make a pair of sockets; returns the parent's end and the child's."""
        ours, theirs = make()
        self._where_it_fails.callback(ours.close)
        self._theirs.callback(theirs.close)
        return ours, theirs

    def _keep(self, ours: int, theirs: int) -> None:
        self._where_it_fails.callback(os.close, ours)
        self._theirs.callback(os.close, theirs)

    @staticmethod
    def fork(live: Callable[[int], NoReturn]) -> tuple[int, int]:
        """Fork a child that does `live`, with this process's id; returns its id and a pidfd of it."""
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            live(parent)
        try:
            return pid, os.pidfd_open(pid)
        except OSError:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise


def how_it_ended(status: int) -> str:
    """Say what waitpid(2) says."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        # of the real-time ones only the first and the last have a name
        return signal.Signals(number).name if number in _NAMED else f"signal {number}"
    return f"exit status {os.WEXITSTATUS(status)}"
