"""What frames leave for frames to come: `globalData`, a JSON object that all workers share, in a memfd of its own.

::

    word  0  magic and version
          1  turn        counts changes; its lowest bit says which copy is the present one
          2  bytes, 3  checksum    of copy 0
          4  bytes, 5  checksum    of copy 1
          8  and on, marks         of who uses such a memory for something else
      4096   copy 0, then copy 1, each as large as half of what is left

Who changes it writes the copy that is not the present one and then the turn, which is one store: a process that is
killed on the way leaves what was there before. Writers hold the record lock on byte 0 of the file, which the kernel
gives back when its holder dies. A reader takes no lock: it looks at the turn before and after. The file is not the
frame memory, so that the server that follows this one can have it, too.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from workers.memory.layout import PAGE_BYTES

_log = logging.getLogger(__name__)

_MAGIC = int.from_bytes(b"FMGLOB\x00\x01", "little")
_TURN = 1
_NOTHING = b"{}"
_LOOKS = 1000
_RETRY_S = 0.0001
_MARKS = slice(8, 16)
_PATIENCE_S = 1.0  # a change takes microseconds: who holds the lock for so long has been stopped


def create_global_data(kib: int) -> int:
    """Make a fresh one with room for `kib`; returns its descriptor. Raises OSError."""
    fd = os.memfd_create("framemill-global-data", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, PAGE_BYTES + 2 * kib * 1024)
    os.pwrite(fd, _MAGIC.to_bytes(8, "little"), 0)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return fd


def is_global_data(fd: int) -> bool:
    """Whether `fd` is such a memory, of this version; raises OSError where it is no descriptor at all."""
    return os.pread(fd, 8, 0) == _MAGIC.to_bytes(8, "little")


def open_global_data(kib: int, inherited: int | None) -> int:
    """Return the memory of the server before; where it has another size, a fresh one with what is in it.

    Raises OSError.
    """
    wanted_bytes = PAGE_BYTES + 2 * kib * 1024
    if inherited is not None and os.fstat(inherited).st_size == wanted_bytes:
        return inherited
    fresh = create_global_data(kib)
    if inherited is not None:
        text = GlobalData(inherited).read()
        if len(text) <= kib * 1024:
            GlobalData(fresh).change(lambda _: text)
        else:
            _log.warning("globalData begins anew: its %d bytes do not fit into global_data_kib = %d", len(text), kib)
    return fresh


class GlobalDataBusy(Exception):
    """Another process has held the lock for too long."""


class GlobalData:
    """One process's view of the memory behind `fd`; for one thread at a time."""

    def __init__(self, fd: int) -> None:
        """Raises ValueError where it is none of this version."""
        if not is_global_data(fd):
            msg = "the memory of globalData is of another version of the server"
            raise ValueError(msg)
        size = os.fstat(fd).st_size
        mapped = mmap.mmap(fd, size)
        mapped.madvise(mmap.MADV_DONTDUMP)
        mapped.madvise(mmap.MADV_DONTFORK)  # a child of user code must not write here
        view = memoryview(mapped)
        self.fd = fd
        self.room_bytes = (size - PAGE_BYTES) // 2
        self._words = view[:PAGE_BYTES].cast("Q")
        self.marks = self._words[_MARKS]
        starts = PAGE_BYTES, PAGE_BYTES + self.room_bytes
        self._copies = [view[start : start + self.room_bytes] for start in starts]
        self._known: tuple[int, bytes] = -1, _NOTHING

    def read(self) -> bytes:
        """Return the object as JSON; what no frame of ours can have left there counts as nothing."""
        for _ in range(_LOOKS):
            turn = self._words[_TURN]
            if turn == self._known[0]:
                return self._known[1]
            text = self._copy(turn)
            if text is not None and self._words[_TURN] == turn:
                self._known = turn, text
                return text
        return _NOTHING

    def change(self, merge: Callable[[bytes], bytes], patience_s: float = _PATIENCE_S) -> None:
        """Put what `merge` makes of the present object in its place, while nobody else does; see `room_bytes`.

        Raises GlobalDataBusy where another process does not end its own change.
        """
        with self._locked(patience_s):
            text = merge(self.read())
            turn = self._words[_TURN] + 1 & 0xFFFFFFFFFFFFFFFF
            spare = turn & 1
            self._copies[spare][: len(text)] = text
            self._words[2 + 2 * spare], self._words[3 + 2 * spare] = len(text), _seal(text, turn)
            self._words[_TURN] = turn
            self._known = turn, text

    def _copy(self, turn: int) -> bytes | None:
        copy = turn & 1
        size, seal = self._words[2 + 2 * copy], self._words[3 + 2 * copy]
        if not turn:
            return _NOTHING
        text = bytes(self._copies[copy][: min(size, self.room_bytes)])
        return text if seal == _seal(text, turn) else None

    @contextmanager
    def _locked(self, patience_s: float) -> Iterator[None]:
        give_up_s = time.monotonic() + patience_s
        while not self._try_lock():
            if time.monotonic() >= give_up_s:
                raise GlobalDataBusy
            time.sleep(_RETRY_S)
        try:
            yield
        finally:
            fcntl.lockf(self.fd, fcntl.LOCK_UN, 1, 0, os.SEEK_SET)

    def _try_lock(self) -> bool:
        try:
            fcntl.lockf(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0, os.SEEK_SET)
        except OSError:  # or user code has closed it
            return False
        return True


def _seal(text: bytes, turn: int) -> int:
    return zlib.crc32(text) << 32 | turn & 0xFFFFFFFF
