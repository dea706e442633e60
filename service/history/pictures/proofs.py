"""Which frames are in the project's proof: told by the supervisor, in a page of memory that outlives the recorder.

A table [[proof]] has a file of its own, which `framemill history export --proof` has called by the frame's id. So it is
known of which frame of the history it is, and that one's picture stays as long as a decided one.

::

    u32 CRC-32 of all that follows | u32 how many | when each frame came, u64, CLOCK_REALTIME in ns

Little endian. What is just being written has another sum: then what was read before counts.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import TYPE_CHECKING

from service.results.documents import key_in

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_HEAD = struct.Struct("<II")
_MOST = 4000  # those of some versions


def create_proof_page() -> int:
    """Make one, of no frame; raises OSError."""
    fd = os.memfd_create("framemill-proof-frames")
    write_proofs(fd, ())
    return fd


def write_proofs(fd: int, files: Iterable[Path]) -> None:
    """Say which files the proof has: of those that are called as the id of a frame it is known which frame."""
    came = dict.fromkeys(key[0] for file in files if (key := key_in(file.stem)) is not None)
    times = [*came][:_MOST]
    packed = struct.pack(f"<I{len(times)}Q", len(times), *times)
    os.pwrite(fd, struct.pack("<I", zlib.crc32(packed)) + packed, 0)


class Proofs:
    """The recorder's end; None in the place of the page is no proof."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd
        self._known: tuple[int, ...] = ()

    def read(self) -> tuple[int, ...]:
        """Return when the frames of the proof came."""
        if self._fd is not None:
            packed = os.pread(self._fd, _HEAD.size + 8 * _MOST, 0)
            total, count = _HEAD.unpack_from(packed)
            times = packed[4 : _HEAD.size + 8 * count]
            if zlib.crc32(times) == total:
                self._known = struct.unpack_from(f"<{count}Q", times, 4)
        return self._known
