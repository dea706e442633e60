"""What all fronts of a server share, whichever master they have, and what the next server inherits: one small memfd.

Made by the supervisor, mapped by every front, handed over to the server that follows (takeover.py); no worker has it,
so no user code. What lies in it outlives a front, the fronts' master and a change of versions::

    word  0  magic and version
          1  process    1 while frames are inspected, 0 while the Process switch is off         switch.py
          2  unknown    1 while nobody knows how the switch was left: its file is damaged       switch.py
          3  under_way  1 while the switch is being thrown                                      switch.py
          4  holds      how many alerts hold the line                                           alerts/holds.py
          5  under_way  1 while that changes                                                    alerts/holds.py
          6  changes    counts what is written to the name below: odd while somebody does       alerts/holds.py
    byte 64  the secret that makes the page's cookies, 32 bytes                                 sessions.py
         96  the seed that finds an address's row below, 16 bytes                               attempts.py
        128  the name of the alert that holds, ASCII, 64 bytes                                  alerts/holds.py
       4096  wrong keys by address                                                              attempts.py

Who writes words 1 to 3 holds the record lock on byte 0 of the file, who writes 4 to 6 that on byte 1. The kernel gives
it back when its holder dies.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from service.access.attempts import TABLE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC = b"FMHEIR\x00\x01"
_SECRET = slice(64, 96)
_SEED = slice(96, 112)
_HOLD = slice(128, 192)
_TABLE_AT = 4096
_BYTES = _TABLE_AT + TABLE_BYTES
_RETRY_S = 0.005


class Heirloom:
    """The memory behind the descriptor `fd`, mapped; `words` are those above."""

    def __init__(self, fd: int) -> None:
        """Raises ValueError where it is none of this version."""
        if os.fstat(fd).st_size != _BYTES:
            msg = "the memory that was handed over is of another version of the server"
            raise ValueError(msg)
        mapped = mmap.mmap(fd, _BYTES)
        mapped.madvise(mmap.MADV_DONTDUMP)
        view = memoryview(mapped)
        if view[: len(_MAGIC)] != _MAGIC:
            msg = "the memory that was handed over is of another version of the server"
            raise ValueError(msg)
        self.fd = fd
        self.words = view[: _SECRET.start].cast("Q")
        self.secret = bytes(view[_SECRET])
        self.seed = bytes(view[_SEED])
        self.hold_name = view[_HOLD]
        self.attempts = view[_TABLE_AT:].cast("Q")

    @classmethod
    def create(cls) -> Self:
        """Make a fresh one, with new secrets; raises OSError."""
        fd = os.memfd_create("framemill-heirloom")
        os.ftruncate(fd, _BYTES)
        for content, start in (
            (_MAGIC, 0),
            (os.urandom(32), _SECRET.start),
            (os.urandom(16), _SEED.start),
        ):
            os.pwrite(fd, content, start)
        return cls(fd)

    def keep_from_children(self) -> None:
        """Leave the mapping out of forked processes: for the supervisor, whose workers run user code."""
        mapped = self.words.obj
        assert isinstance(mapped, mmap.mmap)
        mapped.madvise(mmap.MADV_DONTFORK)

    @contextmanager
    def locked(self, patience_s: float, byte: int = 0) -> Iterator[None]:
        """Be the only process that writes words, see above; threads of one process see to that themselves.

        Raises TimeoutError where another process has not done so within `patience_s`.
        """
        give_up_s = time.monotonic() + patience_s
        while not self._try_lock(byte):
            if time.monotonic() >= give_up_s:
                raise TimeoutError("another process has been at it for too long")
            time.sleep(_RETRY_S)
        try:
            yield
        finally:
            fcntl.lockf(self.fd, fcntl.LOCK_UN, 1, byte, os.SEEK_SET)

    def _try_lock(self, byte: int) -> bool:
        with suppress(OSError):
            fcntl.lockf(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte, os.SEEK_SET)
            return True
        return False
