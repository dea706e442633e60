"""What this front counts, in its row of the frame memory (workers/memory/control.py), where every front can read it."""

from __future__ import annotations

import struct
import threading
from typing import TYPE_CHECKING

from workers.errors import NoFreeSlot
from workers.memory.control import FrontRow

if TYPE_CHECKING:
    from workers.errors import FramemillError
    from workers.pool.reply import Reply


_WORDS = {True: FrontRow.OK, False: FrontRow.NOK, None: FrontRow.OFF}
# read and written at once, from FRAMES on; native, so that each word is stored in one piece
_SUMS = struct.Struct(f"{FrontRow.SEND_NS - FrontRow.FRAMES}Q")


class Counters:
    """Adds up frames, verdicts and times; safe to use from all threads of a front."""

    def __init__(self, row: memoryview) -> None:
        self._row = row
        self._sums = row[FrontRow.FRAMES : FrontRow.SEND_NS]
        self._lock = threading.Lock()

    def answered(self, reply: Reply, received_bytes: int, wait_ns: int, receive_ns: int) -> None:
        """Count a frame that got its answer."""
        queue_ns, decode_ns, flow_ns, encode_ns = reply.timings
        with self._lock:
            self._row[_WORDS[reply.verdict]] += 1
            frames, all_bytes, waiting, receiving, decoding, flowing, encoding = _SUMS.unpack_from(self._sums)
            _SUMS.pack_into(
                self._sums,
                0,
                frames + 1,
                all_bytes + received_bytes,
                waiting + wait_ns + queue_ns,
                receiving + receive_ns,
                decoding + decode_ns,
                flowing + flow_ns,
                encoding + encode_ns,
            )

    def failed(self, error: FramemillError) -> None:
        """Count a frame that got an error."""
        with self._lock:
            self._row[FrontRow.REFUSED if isinstance(error, NoFreeSlot) else FrontRow.ERRORS] += 1

    def not_begun(self) -> None:
        """Count a frame that was refused because there was not time enough for its flow, beside having failed."""
        with self._lock:
            self._row[FrontRow.NOT_BEGUN] += 1

    def not_kept(self) -> None:
        """Count a frame that ended its workers and could not be kept for inspection."""
        with self._lock:
            self._row[FrontRow.NOT_KEPT] += 1

    def cut_off(self) -> None:
        """Count a connection that was ended because its client did not take its answer."""
        with self._lock:
            self._row[FrontRow.CUT_OFF] += 1

    def sent(self, send_ns: int) -> None:
        """Count the time that a picture took to be sent."""
        with self._lock:
            self._row[FrontRow.SEND_NS] += send_ns
