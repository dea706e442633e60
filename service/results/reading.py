"""A follower's end of one ring: copies records and believes nothing of what stands there; see ring.py."""

from __future__ import annotations

from typing import NamedTuple

from service.results.ring import COMMITTED, ENTRY, PAGE_BYTES, RESERVED, map_ring, seal_of, shape_of


class Found(NamedTuple):
    """A record's bytes, and its sequence."""

    sequence: int
    packed: bytes


class RingReader:
    """Reads the ring behind `fd` from `cursor` on, the sequence of the last record that is known already."""

    def __init__(self, fd: int, cursor: int | None = None) -> None:
        """Begin behind `cursor`, else with what comes from now on; raises ValueError, see shape_of and map_ring."""
        view = map_ring(fd, writable=False)
        self._shape, self.front = shape_of(view)
        self._words = view[: 8 * 6].cast("Q")
        self._index = view[PAGE_BYTES : self._shape.bytes_at]
        self._bytes = view[self._shape.bytes_at :]
        self.cursor = self.committed if cursor is None else cursor
        self.missed = 0
        self._copied = 0

    @property
    def committed(self) -> int:
        """The sequence of the last record."""
        committed: int = self._words[COMMITTED]
        return committed

    def begin_with_oldest(self) -> None:
        """Begin with the oldest record that is there; none is missed by that."""
        newest = self.committed
        low, high = max(0, newest - self._shape.entries), newest
        while low < high:  # those that are there are behind those that are gone
            middle = (low + high) // 2
            if self._copy(middle + 1) is None:
                low = middle + 1
            else:
                high = middle
        self.cursor = low

    @property
    def behind(self) -> int:
        """How many records wait."""
        return max(0, self.committed - self.cursor)

    def next(self) -> Found | None:
        """Return the next record that is still there, None where there is none; what is gone is counted as missed."""
        committed = self.committed
        self.cursor = min(self.cursor, committed)  # no ring of ours goes back
        oldest = max(1, committed - self._shape.entries + 1)
        if self.cursor + 1 < oldest:
            self.missed += oldest - 1 - self.cursor
            self.cursor = oldest - 1
        # all that is there fits the room: who had to copy more was lied to
        self._copied = 0
        while self.cursor < committed and self._copied <= self._shape.room:
            self.cursor += 1
            packed = self._copy(self.cursor)
            if packed is not None:
                return Found(self.cursor, packed)
            self.missed += 1
        self.missed += committed - self.cursor
        self.cursor = committed
        return None

    def _copy(self, sequence: int) -> bytes | None:
        entry = sequence % self._shape.entries * ENTRY.size
        before = bytes(self._index[entry : entry + ENTRY.size])
        found, start, size, seal = ENTRY.unpack(before)
        at = start % self._shape.room
        if found != sequence or at + size > self._shape.room or self._is_gone(start):
            return None
        packed = bytes(self._bytes[at : at + size])
        self._copied += size
        if self._is_gone(start) or self._index[entry : entry + ENTRY.size] != before:
            return None
        return packed if seal == seal_of(packed, sequence) else None

    def _is_gone(self, start: int) -> bool:
        """Whether what was written there is being written over."""
        gone: bool = self._words[RESERVED] - start > self._shape.room
        return gone
