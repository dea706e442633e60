"""The ring of a front: what became of its last frames, in a memfd that workers and templates never have.

::

    0        +--------------------------------------------------------------------------------+
             | words: 0 magic and version, 1 front, 2 entries, 3 room                          |
             |        4 committed   the sequence of the last record                            |
             |        5 reserved    how many bytes were ever written, those of now included    |
    4096     +--------------------------------------------------------------------------------+
             | index: an entry is sequence u64 | offset u64 | bytes u64 | seal u64             |
             |        sequence n is in entry n modulo `entries`; 0 while it is being written   |
    bytes_at +--------------------------------------------------------------------------------+
             | records, each in one piece: the byte at offset n is at n modulo `room`          |
             +--------------------------------------------------------------------------------+

The writer empties the entry, reserves the bytes, writes them, then the entry, its sequence, and last `committed`: one
store each. Who is killed between any two of these has written the record or has not, and what a reader meets is whole
or is seen not to be: it copies, then looks at the entry and at `reserved` again, and at the seal, a checksum of the
bytes and of the sequence. A front that takes over goes on behind the last record that is whole. A ring has one writer:
whoever holds its front's lock (workers/memory/claim.py). Nobody waits for a reader.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import struct
import threading
import zlib
from dataclasses import dataclass
from typing import NamedTuple

from workers.errors import NotEnoughMemory

PAGE_BYTES = 4096
_MIB = 1 << 20
_MAGIC = int.from_bytes(b"FMRING\x00\x01", "little")
_MAGIC_WORD, _FRONT, _ENTRIES, _ROOM, COMMITTED, RESERVED = range(6)
_ENTRY_WORDS = 4
ENTRY = struct.Struct("=4Q")
_BYTES_A_RECORD = 512  # fewer on average would find no entry; a usual one has three times as many
_LARGEST_OF_ROOM = 4  # a record has at most this part of it
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


@dataclass(frozen=True, slots=True)
class Shape:
    """How a ring lies in its file: how many entries its index has, and room for how many bytes of records."""

    entries: int
    room: int

    @classmethod
    def of(cls, mib: int) -> Shape:
        """Lay out a ring that takes so much memory."""
        size = mib * _MIB
        entries = size // _BYTES_A_RECORD
        return cls(entries, size - PAGE_BYTES - entries * ENTRY.size)

    @property
    def bytes_at(self) -> int:
        """Offset of the records."""
        return PAGE_BYTES + self.entries * ENTRY.size

    @property
    def total_bytes(self) -> int:
        """Size of the file."""
        return self.bytes_at + self.room


class RingFile(NamedTuple):
    """A ring's descriptors: the one that its front writes through, and one that can only be read."""

    fd: int
    read_fd: int


def create_ring(front: int, mib: int) -> RingFile:
    """Make the ring of a front, empty.

    Raises:
        NotEnoughMemory: it cannot be had.
    """
    shape = Shape.of(mib)
    fd = os.memfd_create("framemill-results", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.posix_fallocate(fd, 0, shape.total_bytes)
        words = struct.pack("=4Q", _MAGIC, front, shape.entries, shape.room)
        os.pwrite(fd, words, 0)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
        return RingFile(fd, reopened(fd))
    except OSError as error:
        os.close(fd)
        why = "files may not be so large here (ulimit -f)" if error.errno == errno.EFBIG else error.strerror
        msg = f"the results of a front need {mib} MiB: lower results_mib, or free memory; {why}"
        raise NotEnoughMemory(msg) from None


def reopened(fd: int) -> int:
    """Open a memfd once more, for reading alone: nothing can be written through that."""
    os.fchmod(fd, 0o400)
    return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)


def shape_of(view: memoryview) -> tuple[Shape, int]:
    """Return how the ring behind `view` lies, and its front; raises ValueError where it is none of this version."""
    words = view[: 8 * 6].cast("Q")
    shape = Shape(words[_ENTRIES], words[_ROOM])
    if words[_MAGIC_WORD] != _MAGIC or not shape.entries or not shape.room or shape.total_bytes != len(view):
        raise ValueError("the memory of results is of another version of the server")
    return shape, words[_FRONT]


def map_ring(fd: int, *, writable: bool) -> memoryview:
    """Map a ring; raises ValueError where it may change its size, OSError where it cannot be mapped."""
    if fcntl.fcntl(fd, fcntl.F_GET_SEALS) & _SEALS != _SEALS:
        raise ValueError("the memory of results is not sealed")
    protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
    mapped = mmap.mmap(fd, os.fstat(fd).st_size, flags=mmap.MAP_SHARED, prot=protection)
    mapped.madvise(mmap.MADV_DONTDUMP)  # frames' texts may name people
    mapped.madvise(mmap.MADV_DONTFORK)
    return memoryview(mapped)


def seal_of(packed: bytes, sequence: int) -> int:
    """Return the checksum of a record's bytes where it has this sequence."""
    return zlib.crc32(packed) << 32 | sequence & 0xFFFFFFFF


class RingWriter:
    """A front's end, for all of its threads."""

    def __init__(self, fd: int) -> None:
        """Go on behind the last record that is whole; raises ValueError, see shape_of."""
        view = map_ring(fd, writable=True)
        self._shape, self.front = shape_of(view)
        self._words = view[: 8 * 6].cast("Q")
        self._index = view[PAGE_BYTES : self._shape.bytes_at].cast("Q")
        self._bytes = view[self._shape.bytes_at :]
        self._lock = threading.Lock()
        self.most_bytes = self._shape.room // _LARGEST_OF_ROOM
        self._sequence = self._words[COMMITTED]
        self._reserved = self._words[RESERVED]
        if self._is_whole(self._sequence + 1):  # its writer ended before it could say so
            self._sequence += 1
            self._words[COMMITTED] = self._sequence

    def append(self, packed: bytes) -> int:
        """Write a record, of `most_bytes` at most; returns its sequence."""
        size = len(packed)
        if size > self.most_bytes:
            raise ValueError(f"a record of {size} bytes, at most {self.most_bytes} are kept")
        room, index = self._shape.room, self._index
        with self._lock:
            sequence = self._sequence + 1
            start = self._reserved
            at = start % room
            if at + size > room:
                start += room - at
                at = 0
            entry = sequence % self._shape.entries * _ENTRY_WORDS
            index[entry] = 0
            self._reserved = start + size
            self._words[RESERVED] = self._reserved
            self._bytes[at : at + size] = packed
            index[entry + 1] = start
            index[entry + 2] = size
            index[entry + 3] = zlib.crc32(packed) << 32 | sequence & 0xFFFFFFFF
            index[entry] = sequence
            self._words[COMMITTED] = sequence
            self._sequence = sequence
        return sequence

    def _is_whole(self, sequence: int) -> bool:
        entry = sequence % self._shape.entries * _ENTRY_WORDS
        found, start, size, seal = self._index[entry : entry + _ENTRY_WORDS]
        at = start % self._shape.room
        if found != sequence or start + size > self._reserved or at + size > self._shape.room:
            return False
        return seal == seal_of(bytes(self._bytes[at : at + size]), sequence)


def committed_of(fd: int) -> int:
    """The sequence of the last record of a ring, for who has not mapped it."""
    return int.from_bytes(os.pread(fd, 8, 8 * COMMITTED), "little")
