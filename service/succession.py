"""From one server to the next: what is handed over when a new version takes the place of a running one.

The next server is started by the one before, as its child, with the command line of that one. What it needs to know is
in one variable of its environment: the descriptor of the socket that clients connect to, whether that socket ends with
the server, and the descriptor through which it says that it is ready.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import NamedTuple

from service.listener import Listener
from workers.successor import READY, Started

_VARIABLE = "_FRAMEMILL_FOLLOWS"  # not FRAMEMILL_: those are settings


class Predecessor(NamedTuple):
    """The server that started this one, and the socket that it hands over."""

    link: socket.socket
    open_to: Listener

    def take_over(self) -> bool:
        """Tell it to stop, for this server answers; false where it is not there any more."""
        try:
            self.link.send(READY)
        except OSError:
            return False
        return True


def predecessor() -> Predecessor | None:
    """The server that this one follows; None where it was started by anybody else."""
    told = os.environ.pop(_VARIABLE, None)
    if told is None:
        return None
    link_fd, sock_fd, is_ours = map(int, told.split(","))
    link, sock = socket.socket(fileno=link_fd), socket.socket(fileno=sock_fd)
    link.set_inheritable(False)
    sock.set_inheritable(False)
    return Predecessor(link, Listener(sock, bool(is_ours)))


def start_successor(open_to: Listener) -> Started:
    """Start the command of this server once more, as the one that follows it; raises OSError."""
    if os.getpid() == 1:
        msg = "a container ends with its first process, so start another container instead"
        raise OSError(msg)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        fds = (theirs.fileno(), open_to.sock.fileno())
        told = ",".join(map(str, (*fds, int(open_to.is_ours))))
        try:
            process = subprocess.Popen(
                [sys.executable, *sys.orig_argv[1:]], env={**os.environ, _VARIABLE: told}, pass_fds=fds
            )
        except OSError:
            ours.close()
            raise
    return Started(process, ours)
