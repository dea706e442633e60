"""What a front tells the supervisor: both ends of their pair of SOCK_SEQPACKET sockets.

::

    front                        supervisor
      |--- READY ------------------>|   it can take requests
      |--- STOP ------------------->|   the whole server is asked to end
      |--- RELOAD ----------------->|   the project is to be loaded anew

One byte each. The supervisor reads whenever it is not asleep, and its death is an error for who writes.
"""

from __future__ import annotations

import enum
import os
import socket


class Message(enum.Enum):
    """What may be said."""

    READY = b"r"
    STOP = b"s"
    RELOAD = b"l"


class SupervisorLink:
    """The front's end."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def say_ready(self) -> None:
        """This front can take requests."""
        os.write(self._fd, Message.READY.value)

    def ask_to_stop(self) -> None:
        """End the whole server."""
        os.write(self._fd, Message.STOP.value)

    def ask_to_reload(self) -> None:
        """Load the project anew."""
        os.write(self._fd, Message.RELOAD.value)


def pair() -> tuple[socket.socket, socket.socket]:
    """Make both ends: the supervisor's, and the one that fronts inherit."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)


def hear(ours: socket.socket) -> Message | None:
    """What a front says; None for what is no message of ours."""
    try:
        return Message(ours.recv(64))
    except ValueError:
        return None
