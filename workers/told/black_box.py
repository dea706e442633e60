"""What is left of a worker that can say nothing any more: where it was, and what its frame had printed.

A small sealed file in memory for each worker, made by the supervisor, which alone reads it::

    0        bytes of stdout u64 | bytes of stderr u64
    4096     stdout of the frame at hand, as it was printed       64 KiB
    69632    stderr                                               64 KiB
    135168   stack of all threads, written by C at the signal     64 KiB

The worker maps the first three. The stack is written through the descriptor, by a handler in C (faulthandler), even
while other C code keeps the interpreter's lock; as the file cannot grow, what has no room is lost.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct

_PART_BYTES = 64 * 1024  # as much as a frame may print to either (context/printed.py)
_PRINTED_AT = 4096
_STACK_AT = _PRINTED_AT + 2 * _PART_BYTES
_TOTAL_BYTES = _STACK_AT + _PART_BYTES
_WORDS = struct.Struct("=QQ")
_F_ADD_SEALS = 1033  # fcntl has no names for these in 3.11
_SEALS = 0x1 | 0x2 | 0x4  # no other seals, no shrinking, no growing


def make_box() -> int:
    """Make one; returns its descriptor."""
    fd = os.memfd_create("framemill-box", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, _TOTAL_BYTES)
        fcntl.fcntl(fd, _F_ADD_SEALS, _SEALS)
    except OSError:
        os.close(fd)
        raise
    return fd


class Writing:
    """A worker's side: what its frame prints is there at once."""

    def __init__(self, fd: int) -> None:
        whole = mmap.mmap(fd, _STACK_AT)
        whole.madvise(mmap.MADV_DONTFORK)  # a child of user code has none of it, and `print` does not touch it there
        mapped = memoryview(whole)
        self._words = mapped[: _WORDS.size].cast("Q")
        self._parts = [mapped[at : at + _PART_BYTES] for at in (_PRINTED_AT, _PRINTED_AT + _PART_BYTES)]
        self._pid = os.getpid()

    def begin(self) -> None:
        """Another frame: nothing is printed."""
        self._words[0] = self._words[1] = 0

    def print(self, stream: int, text: bytes) -> None:
        """Add what was printed to stdout (0) or stderr (1); a child that user code forked is not heard."""
        if os.getpid() != self._pid:
            return
        have = min(self._words[stream], _PART_BYTES)
        room = text[: _PART_BYTES - have]
        self._parts[stream][have : have + len(room)] = room
        self._words[stream] = have + len(room)


class Reading:
    """The supervisor's side of the box `fd`."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def await_stack(self) -> None:
        """Forget the stack of before: the next one is written from the start."""
        os.lseek(self._fd, _STACK_AT, os.SEEK_SET)  # worker and supervisor share the place at which is written

    def stack(self) -> str:
        """What was written since; nothing where no handler ran."""
        end = min(os.lseek(self._fd, 0, os.SEEK_CUR), _TOTAL_BYTES)
        return os.pread(self._fd, max(0, end - _STACK_AT), _STACK_AT).decode("utf-8", "backslashreplace")

    def printed(self) -> tuple[bytes, bytes]:
        """What the frame at hand had printed to stdout and to stderr."""
        sizes = _WORDS.unpack(os.pread(self._fd, _WORDS.size, 0))
        stdout, stderr = (
            os.pread(self._fd, min(size, _PART_BYTES), _PRINTED_AT + part * _PART_BYTES)
            for part, size in enumerate(sizes)
        )
        return stdout, stderr
