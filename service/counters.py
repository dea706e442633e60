"""What this front counts, in its row of the frame memory (workers/control.py), where every front can read it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from workers.control import FrontRow
from workers.errors import NoFreeSlot

if TYPE_CHECKING:
    from workers.errors import FramemillError
    from workers.reply import Reply


class Counters:
    """Adds up frames, verdicts and times; safe to use from all threads of a front."""

    def __init__(self, row: memoryview) -> None:
        self._row = row
        self._lock = threading.Lock()

    def answered(self, reply: Reply, received_bytes: int, wait_ns: int, receive_ns: int) -> None:
        """Count a frame that got its answer."""
        words = {True: FrontRow.OK, False: FrontRow.NOK, None: FrontRow.OFF}
        with self._lock:
            row = self._row
            row[words[reply.verdict]] += 1
            row[FrontRow.FRAMES] += 1
            row[FrontRow.RECEIVED_BYTES] += received_bytes
            row[FrontRow.WAIT_NS] += wait_ns + reply.timings.queue_ns
            row[FrontRow.RECEIVE_NS] += receive_ns
            row[FrontRow.DECODE_NS] += reply.timings.decode_ns
            row[FrontRow.FLOW_NS] += reply.timings.flow_ns
            row[FrontRow.ENCODE_NS] += reply.timings.encode_ns

    def failed(self, error: FramemillError) -> None:
        """Count a frame that got an error."""
        with self._lock:
            self._row[FrontRow.REFUSED if isinstance(error, NoFreeSlot) else FrontRow.ERRORS] += 1

    def not_kept(self) -> None:
        """Count a frame that ended its workers and could not be kept for inspection."""
        with self._lock:
            self._row[FrontRow.NOT_KEPT] += 1

    def sent(self, send_ns: int) -> None:
        """Count the time that a picture took to be sent."""
        with self._lock:
            self._row[FrontRow.SEND_NS] += send_ns
