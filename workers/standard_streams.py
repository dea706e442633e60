"""Standard streams on which nothing that is said can fail: no message is worth a frame, or the server.

A reader may have gone (`| head -1`), a disk may be full, a name may have letters that a locale does not: what cannot be
written is lost, and whoever must know asks `lost`. A server's streams do not wait either: a pipe that nobody empties
would hold up whoever says something. Where descriptors 0 to 2 are closed at the start they lead nowhere from then on:
the next file that is opened would have their numbers, and messages would go into it.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import select
import socket
import stat
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_PIECE_BYTES = select.PIPE_BUF  # where a pipe can be written to at all there is room for so much


class _Sink(io.RawIOBase):
    """Takes everything; keeps the first error as `lost`."""

    def __init__(self, fd: int, write: Callable[[memoryview], int]) -> None:
        self._fd = fd
        self._write = write
        self.lost: OSError | None = None

    def writable(self) -> bool:
        """Say yes."""
        return True

    def fileno(self) -> int:
        """What it is for, so that it can be handed to a child process."""
        return self._fd

    def isatty(self) -> bool:
        """Whether somebody looks at it."""
        return os.isatty(self._fd)

    def write(self, data: ReadableBuffer, /) -> int:
        """Write what can be written; always says that all of it was."""
        view = memoryview(data).cast("B")
        sent = 0
        try:
            while sent < len(view):
                sent += self._write(view[sent : sent + _PIECE_BYTES])
        except OSError as error:
            self.lost = self.lost or error
        return len(view)


class _HastySink(_Sink):
    """The same where `write` does not wait."""


def begin_streams() -> None:
    """Give this process, which may do nothing else yet, streams that do not fail; see above."""
    for fd, flags in enumerate((os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)):
        try:
            fcntl.fcntl(fd, fcntl.F_GETFD)
        except OSError:
            os.set_inheritable(os.open(os.devnull, flags), True)  # the lowest number that is free
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - a descriptor, for good
    _replace(lambda fd: _Sink(fd, lambda piece: os.write(fd, piece)))


def never_wait() -> None:
    """Have what a server says lost, too, where its reader does not keep up."""
    _replace(lambda fd: _HastySink(fd, hasty_writer(fd)))


def stream_to(fd: int) -> TextIO:
    """Return another such stream, which does not wait."""
    return _stream(_HastySink(fd, hasty_writer(fd)), sys.stdout)


def lost() -> OSError | None:
    """Return why standard output is not whole; None where it is, and for a server's, which need not be."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    sink = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return sink.lost if isinstance(sink, _Sink) and not isinstance(sink, _HastySink) else None


def _replace(make: Callable[[int], _Sink]) -> None:
    sys.stdout = _stream(make(1), sys.stdout)
    sys.stderr = _stream(make(2), sys.stderr)


def _stream(sink: _Sink, before: TextIO | None) -> TextIO:
    encoding = before.encoding if before is not None else "utf-8"
    return io.TextIOWrapper(io.BufferedWriter(sink), encoding, "backslashreplace", line_buffering=True)


def hasty_writer(fd: int) -> Callable[[memoryview], int]:
    """Return what writes to `fd` at once or raises BlockingIOError; others have `fd` too, so its flags are not ours."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISSOCK(mode):  # journald's
        peer = socket.socket(fileno=os.dup(fd))
        return lambda piece: peer.send(piece, socket.MSG_DONTWAIT)
    if stat.S_ISFIFO(mode):
        with contextlib.suppress(OSError):  # it may be another user's
            own = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            return lambda piece: os.write(own, piece)
    room = select.poll()
    room.register(fd, select.POLLOUT)
    return lambda piece: os.write(fd, piece) if room.poll(0) else _no_room()


def _no_room() -> int:
    raise BlockingIOError
