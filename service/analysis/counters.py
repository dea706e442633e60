"""What this front counts, in its row of the frame memory, where every front can read it."""

from __future__ import annotations

import struct
import threading
from typing import TYPE_CHECKING

from workers.errors import NoFreeSlot
from workers.memory.counters import WORDS
from workers.memory.module_table import OTHERS

if TYPE_CHECKING:
    from service.results.story import Story
    from workers.errors import FramemillError
    from workers.pool.reply import Reply


_VERDICTS = {True: WORDS["frames.ok"], False: WORDS["frames.nok"], None: WORDS["frames.process_off"]}
_HELD = WORDS["frames.held"]
_FROM, _TO = WORDS["frames.answered"], WORDS["seconds.encoding"] + 1
# read and written at once; native, so that each word is stored in one piece
_SUMS = struct.Struct(f"{_TO - _FROM}Q")


class Counters:
    """Adds up frames, verdicts and times; safe to use from all threads of a front.

    `row` is its front's, `errors` that of the table of modules (memory/module_table.py).
    """

    def __init__(self, row: memoryview, errors: memoryview) -> None:
        self._row = row
        self._errors = errors
        self._sums = row[_FROM:_TO].cast("B")
        self._lock = threading.Lock()

    def answered(self, reply: Reply, received_bytes: int, story: Story) -> None:
        """Count a frame that got its answer; one that was NOK because the line was held by itself."""
        queue_ns, decode_ns, flow_ns, encode_ns = reply.timings
        with self._lock:
            self._row[_HELD if story.held else _VERDICTS[reply.verdict]] += 1
            if reply.failed_in:
                place = reply.failed_in - 1
                self._errors[place if place < len(self._errors) else OTHERS] += 1
            frames, all_bytes, waiting, receiving, decoding, flowing, encoding = _SUMS.unpack_from(self._sums)
            # not pack_into, which writes zeros first: another front may be looking
            self._sums[:] = _SUMS.pack(
                frames + 1,
                all_bytes + received_bytes,
                waiting + story.waiting_ns + queue_ns,
                receiving + story.receiving_ns,
                decoding + decode_ns,
                flowing + flow_ns,
                encoding + encode_ns,
            )

    def failed(self, error: FramemillError) -> None:
        """Count a frame that got an error."""
        self.count("frames.refused" if isinstance(error, NoFreeSlot) else "frames.errors")

    def count(self, name: str, more: int = 1) -> None:
        """Add to one of the counters, by its name in the table."""
        with self._lock:
            self._row[WORDS[name]] += more
