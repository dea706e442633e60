"""A frame that stays in its slot for followers, as its client sent it: copied, then looked at once more."""

from __future__ import annotations

import mmap
from typing import NamedTuple

from service.results.record import Picture
from workers.memory.arena import ArenaFile
from workers.memory.layout import HEADER_BYTES, Geometry
from workers.memory.slot import Header, State, Word
from workers.pool.job import Job

_THERE = frozenset({State.DONE, State.KEPT, State.FREE})  # who fills a slot says so before he writes to it


class Sent(NamedTuple):
    """A frame's bytes, and what they are."""

    job: Job
    frame: bytes


class Pictures:
    """Reads frames in the frame memory behind `arena`, a descriptor that can only be read."""

    def __init__(self, arena: ArenaFile) -> None:
        self._geometry = arena.geometry
        mapped = mmap.mmap(arena.fd, arena.geometry.total_bytes, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
        mapped.madvise(mmap.MADV_DONTDUMP)
        mapped.madvise(mmap.MADV_DONTFORK)
        self._memory = memoryview(mapped)

    def copy(self, picture: Picture) -> Sent | None:
        """Return the frame; None where it is not there any more."""
        geometry = self._geometry
        if not 0 <= picture.slot < geometry.slots:
            return None
        at = geometry.header_at(picture.slot)
        header = Header(picture.slot, self._memory[at : at + HEADER_BYTES])
        start, size = geometry.request_at(picture.slot), header.words[Word.REQUEST_BYTES]
        try:
            job = Job.unpack(header.job)
        except ValueError:
            return None
        if size > geometry.request_bytes or not self._is_there(header, picture):
            return None
        frame = bytes(self._memory[start : start + size])
        return Sent(job, frame) if self._is_there(header, picture) else None

    @staticmethod
    def _is_there(header: Header, picture: Picture) -> bool:
        return header.words[Word.GENERATION] == picture.generation and header.state in _THERE


def pictures_of(fd: int, geometry: dict[str, int]) -> Pictures:
    """Map the frame memory that a server has handed over; raises ValueError, TypeError or OSError where it is none."""
    return Pictures(ArenaFile(fd, Geometry(**geometry)))
