"""What a front says and its socket has no place for, in memory that outlives the front: the next one goes on with it.

::

    0           8            16
    +-----------+------------+---------------------------------------------------+
    | first u64 | behind u64 | MOST_UNSENT places of 1 KiB: u16 bytes, a message |
    +-----------+------------+---------------------------------------------------+

Message n, where first <= n < behind, is in place n modulo their number. It is written before `behind` is, so that a
front killed at any step leaves it whole or not at all. Where there is no place left the oldest one is given up: all of
this is about errors, and the newest is worth most.
"""

from __future__ import annotations

import os
import struct

from service.parts.messages import MOST_BYTES

_HEAD = struct.Struct("<QQ")
_SIZE = struct.Struct("<H")
_PLACE_BYTES = _SIZE.size + MOST_BYTES
MOST_UNSENT = 20_000  # more than a minute of 300 views a second; 20 MiB, which are given back once all is sent


class Unsent:
    """Behind `fd`. For one thread of one process at a time: a front, and the part desk when no front is left."""

    def __init__(self, fd: int) -> None:
        """Go on with what is there."""
        self._fd = fd
        self._first: int
        self._behind: int
        self._first, self._behind = _HEAD.unpack(os.pread(fd, _HEAD.size, 0))

    def __len__(self) -> int:
        """How many wait."""
        return self._behind - self._first

    def put(self, packed: bytes) -> None:
        """Have a message wait, behind all others; raises OSError."""
        os.pwrite(self._fd, _SIZE.pack(len(packed)) + packed, _place_at(self._behind))
        first = self._first if len(self) < MOST_UNSENT else self._first + 1
        self._move(first, self._behind + 1)

    def first(self) -> bytes:
        """Return the oldest one."""
        place = os.pread(self._fd, _PLACE_BYTES, _place_at(self._first))
        (size,) = _SIZE.unpack_from(place)
        return place[_SIZE.size : _SIZE.size + size]

    def drop_first(self) -> None:
        """Have the oldest one wait no longer."""
        self._move(self._first + 1, self._behind)
        if not len(self):
            os.ftruncate(self._fd, _HEAD.size)

    def clear(self) -> None:
        """Have nothing wait."""
        self._move(self._behind, self._behind)
        os.ftruncate(self._fd, _HEAD.size)

    def _move(self, first: int, behind: int) -> None:
        os.pwrite(self._fd, _HEAD.pack(first, behind), 0)
        self._first, self._behind = first, behind


def create_unsent() -> int:
    """Make the memory of a front, with nothing in it; raises OSError."""
    fd = os.memfd_create("framemill-unsent-of-parts")
    os.pwrite(fd, _HEAD.pack(0, 0), 0)
    return fd


def _place_at(number: int) -> int:
    return _HEAD.size + number % MOST_UNSENT * _PLACE_BYTES
