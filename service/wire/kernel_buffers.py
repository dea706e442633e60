"""What the kernel holds of a connection: bytes that came and were not read, bytes that were sent and not delivered."""

from __future__ import annotations

import ctypes
import termios
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

# it never waits, so it may keep the interpreter's lock, which others would take meanwhile
_ioctl = ctypes.PyDLL(None).ioctl
_ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p]


def unread_bytes(connection: socket.socket) -> int:
    """How many bytes came that nobody has read; see tcp(7), SIOCINQ."""
    return _ask(connection, termios.FIONREAD)


def undelivered_bytes(connection: socket.socket) -> int:
    """How many bytes were sent that the other side has not acknowledged; see tcp(7), SIOCOUTQ."""
    return _ask(connection, termios.TIOCOUTQ)


def _ask(connection: socket.socket, request: int) -> int:
    """Returns 0 where the connection has ended."""
    found = ctypes.c_int()
    if _ioctl(connection.fileno(), request, ctypes.byref(found)) < 0:
        return 0
    return found.value
