"""Parts that are open, in memory that outlives the part desk: killed at any step, each is whole, or as it was before.

::

    place n, 16 KiB:  half 0 | half 1
    half:    0        4         8        16
            +--------+---------+--------+---------+
            | crc u32 | bytes u32 | turn u64 | JSON, see joining.Part; of an empty place nothing |
            +--------+---------+--------+---------+

The half that is whole and has the higher turn is what holds; the other one is written next. It is written by calls and
not by a mapping: where there is no memory left that is an error, and not the end of the process.
"""

from __future__ import annotations

import heapq
import os
import struct
import zlib
from typing import NamedTuple

import orjson

from service.parts.joining import Part

_HEAD = struct.Struct("<IIQ")
HALF_BYTES = 8 << 10


class _Half(NamedTuple):
    turn: int
    packed: bytes


class Kept:
    """Behind `fd`; for one thread."""

    def __init__(self, fd: int) -> None:
        """Look at what is there."""
        self._fd = fd
        self._places = -(-os.fstat(fd).st_size // (2 * HALF_BYTES))
        self._free: list[int] = []
        self._last_half: dict[int, int] = {}
        self._turn = 0

    def load(self) -> list[Part]:
        """Return what is open, the oldest first."""
        found = []
        for place in range(self._places):
            halves = [half for number in (0, 1) if (half := self._read(place, number))]
            newest = max(halves, default=_Half(0, b""))
            self._turn = max(self._turn, newest.turn)
            self._last_half[place] = newest.turn % 2
            if newest.packed:
                found.append(Part.unpack(orjson.loads(newest.packed), place))
            else:
                heapq.heappush(self._free, place)
        return sorted(found, key=lambda part: part.due_ns)

    def save(self, part: Part) -> None:
        """Keep it as it is now; raises OSError."""
        if part.place < 0:
            part.place = heapq.heappop(self._free) if self._free else self._places
            self._places = max(self._places, part.place + 1)
        self._write(part.place, orjson.dumps(part.pack()))

    def clear(self, part: Part) -> None:
        """Keep it no longer."""
        if part.place >= 0:
            self._write(part.place, b"")
            heapq.heappush(self._free, part.place)
            part.place = -1

    def _write(self, place: int, packed: bytes) -> None:
        half = 1 - self._last_half.get(place, 1)
        self._turn += 1 if (self._turn + 1) % 2 == half else 2  # its lowest bit says which half it is in
        head = _HEAD.pack(zlib.crc32(packed, self._turn & 0xFFFFFFFF), len(packed), self._turn)
        if len(head) + len(packed) > HALF_BYTES:
            raise OSError(f"a part of {len(packed)} bytes")
        os.pwrite(self._fd, head + packed, (2 * place + half) * HALF_BYTES)
        self._last_half[place] = half

    def _read(self, place: int, half: int) -> _Half | None:
        read = os.pread(self._fd, HALF_BYTES, (2 * place + half) * HALF_BYTES)
        if len(read) < _HEAD.size:
            return None
        crc, size, turn = _HEAD.unpack_from(read)
        packed = read[_HEAD.size : _HEAD.size + size]
        if not turn or len(packed) != size or zlib.crc32(packed, turn & 0xFFFFFFFF) != crc:
            return None
        return _Half(turn, packed)
