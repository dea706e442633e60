"""How many parts became what, since the server's start: a page that the part desk writes, and that outlives it."""

from __future__ import annotations

import os
import struct
from typing import NamedTuple, Self

from service.parts.joining import Verdict

_PAGE = struct.Struct("=7Q")


class Counts(NamedTuple):
    """The page: parts that are open, and that became OK, NOK, OFF or an error.

    Of the errors `missing` lacked a view, and `pushed_out` had to end because too many were open.
    """

    open: int = 0
    ok: int = 0
    nok: int = 0
    off: int = 0
    error: int = 0
    missing: int = 0
    pushed_out: int = 0

    @classmethod
    def read(cls, fd: int) -> Self:
        """Read it."""
        return cls(*_PAGE.unpack(os.pread(fd, _PAGE.size, 0)))

    def write(self, fd: int) -> None:
        """Write it."""
        os.pwrite(fd, _PAGE.pack(*self), 0)

    def with_one(self, verdict: Verdict) -> Self:
        """Count a part that has ended."""
        found = self._asdict()
        found[verdict.word.lower()] += 1
        if verdict.why in {"missing", "pushed_out"}:
            found[verdict.why] += 1
        return self._replace(**found)


def create_page() -> int:
    """Make one; raises OSError."""
    fd = os.memfd_create("framemill-parts")
    Counts().write(fd)
    return fd
