"""A worker's own end of its log (log.py): standard streams that neither block nor raise."""

from __future__ import annotations

import _thread  # threads that threading does not list
import contextlib
import faulthandler
import io
import os
import signal
import sys
from typing import TYPE_CHECKING

from workers.server_log import is_set_up, log_to

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# has a process write where all its threads are; the last of the real-time ones, which hardly any program uses
STACK_SIGNAL = signal.SIGRTMAX
_PIECE_BYTES = 64 * 1024
_STAND_BY_BYTES = 128 * 1024


class _Pipe(io.RawIOBase):
    """Takes everything; what the pipe has no room for is lost, and counted once there is room again."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lost_bytes = 0

    def writable(self) -> bool:
        """Say yes."""
        return True

    def fileno(self) -> int:
        """The pipe itself, so that it can be handed to a child process."""
        return self._fd

    def write(self, data: ReadableBuffer, /) -> int:
        """Write what fits; always says that all of it was written."""
        view = memoryview(data).cast("B")
        sent = 0
        with contextlib.suppress(OSError):  # full, or closed by user code
            if self._lost_bytes:
                os.write(self._fd, f"\n... {self._lost_bytes:,} bytes found no room\n".encode())
                self._lost_bytes = 0
            while sent < len(view):
                sent += os.write(self._fd, view[sent : sent + _PIECE_BYTES])
        self._lost_bytes += len(view) - sent
        return len(view)


def speak_through(fd: int) -> None:
    """Make `fd` the standard output and error of this process, for Python and for libraries; there is no input.

    Python's streams and the trace of a crash go to `fd` itself: user code may close the descriptors 1 and 2.
    """
    nowhere = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    sys.stdout = sys.__stdout__ = _stream(fd)  # type: ignore[misc]  # what a fresh interpreter may set, a fork may
    sys.stderr = sys.__stderr__ = _stream(fd)  # type: ignore[misc]
    if is_set_up():
        log_to(sys.stderr, marked=True)
    faulthandler.enable(fd)
    # asked for before a frame that runs too long is ended; written by C, even while C code keeps the interpreter's lock
    faulthandler.register(STACK_SIGNAL, fd)


def leave_stack_in(fd: int) -> None:
    """From now on the stack that is asked for is written to `fd`, not to the output, and disturbs nobody.

    A thread that does nothing else takes the signal: so no call of user code is interrupted by it, and it is taken
    where user code has blocked signals too. That it is there costs nothing; Python's own list of threads lacks it.
    """
    faulthandler.register(STACK_SIGNAL, fd)
    usual = _thread.stack_size(_STAND_BY_BYTES)
    try:
        _thread.start_new_thread(_stand_by, ())
    finally:
        _thread.stack_size(usual)
    signal.pthread_sigmask(signal.SIG_BLOCK, {STACK_SIGNAL})


def _stand_by() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals() - {STACK_SIGNAL})
    never = _thread.allocate_lock()
    never.acquire()
    never.acquire()


def go_on_through(fd: int, other_fd: int) -> None:
    """In a fork of such a process: let `fd`, which its streams write to, be what `other_fd` is, which is closed."""
    for number in (fd, 1, 2):
        os.dup2(other_fd, number, inheritable=number != fd)
    os.close(other_fd)


def _stream(fd: int) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(_Pipe(fd)), "utf-8", "backslashreplace", line_buffering=True)


def flush() -> None:
    """Write what Python's streams still hold, whatever user code has made of them."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()
