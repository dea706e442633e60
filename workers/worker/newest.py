"""The frame that was answered last, held while it is drawn again: what /last_image shows.

Each front keeps its last frame in its slot until it has a newer one (pool.py). A picture may take longer than the time
between two frames, so a worker that draws one holds the slot: it says in its row which one, marks the slot, and looks
once more whether the frame is still there. The front gives a marked slot to nobody before no living worker's row names
it. Words of shared memory are no lock: a front that frees the slot at the very moment may miss the mark. So whoever
has drawn asks `still_there`, and begins anew where it is not.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from workers.memory.control import FrontRow, WorkerRow
from workers.memory.slot import State, Word
from workers.pool.job import Job
from workers.worker.inspector import Answer, KeptFrame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.memory.control import ControlPage
    from workers.memory.slot import Header
    from workers.memory.slot_memory import SlotMemory

_LOOKS = 512  # a look takes microseconds, and fails where the frame was replaced in just these
_LOOKS_AT_ONCE = 64
_PAUSE_S = 0.0005
_LOOKS_AT_ONE = 4  # then at the front whose last frame is the next oldest: the first may have died


@dataclass(frozen=True, slots=True)
class Newest:
    """Finds and holds the newest frame for one worker, whose row of the counters is `row`."""

    memory: SlotMemory
    control: ControlPage
    row: memoryview

    @contextmanager
    def held(self) -> Iterator[KeptFrame | None]:
        """Hold the newest frame of all fronts until the end of the block; None where there is none."""
        try:
            yield self._hold()
        finally:
            self.row[WorkerRow.SHOWS] = 0

    def _hold(self) -> KeptFrame | None:
        for look in range(_LOOKS):
            if look >= _LOOKS_AT_ONCE:
                time.sleep(_PAUSE_S)  # a front that is just about to say it may wait for a processor
            rows = sorted(self.control.fronts, key=lambda row: row[FrontRow.LAST_DONE_NS], reverse=True)
            rows = [row for row in rows if row[FrontRow.LAST_DONE_NS]]
            if not rows:
                return None
            row = rows[look // _LOOKS_AT_ONE % len(rows)]
            slot, generation = row[FrontRow.LAST_SLOT], row[FrontRow.LAST_GENERATION]
            if slot < len(self.memory.headers) and self._mark(self.memory.headers[slot], generation):
                with suppress(ValueError):  # what is no job: the slot was taken anew in this moment
                    return self._kept(self.memory.headers[slot], generation)
        return None

    def _mark(self, header: Header, generation: int) -> bool:
        self.row[WorkerRow.SHOWS] = header.index + 1
        header.words[Word.WATCHED] = 1
        return _is_there(header, generation)

    def _kept(self, header: Header, generation: int) -> KeptFrame:
        return KeptFrame(
            job=Job.unpack(header.job),
            request=self.memory.request(header),
            reply=self.memory.reply(header),
            answer=Answer(*header.words[Word.IMAGE_BYTES : Word.SEAL]),
            still_there=partial(_is_there, header, generation),
        )


def _is_there(header: Header, generation: int) -> bool:
    return header.words[Word.GENERATION] == generation and header.words[Word.STATE] == State.DONE
