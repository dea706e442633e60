"""From one request of a camera to its next: the thread that answered waits for it, while threads are not scarce.

A camera posts its next frame as soon as it has the answer, or a takt later; the way through the main thread would cost
four wake-ups and as many trips through the interpreter's lock.
"""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Any

from service.wire.gathered import STEP_S

if TYPE_CHECKING:
    from service.threads.turns import Turns

_WAIT_S = 2.0
_READ_BYTES = 8192


class NextRequest:
    """For `worker`, gunicorn's; at most `most` threads are busy while one waits."""

    def __init__(self, worker: Any, turns: Turns, most: int) -> None:
        self._worker = worker
        self._turns = turns
        self._most = most

    def comes(self, conn: Any) -> bool:
        """Wait for the next request of a connection; whether it is there, or begins to be, in its buffer."""
        if conn.parser.unreader.buf.tell():  # it came together with the one before
            return bool(self._worker.alive and not self._turns.must_yield(conn))
        if self._turns.busy_count > self._most:
            return False
        conn.sock.waits = True
        give_up_s = time.monotonic() + _WAIT_S
        while self._worker.alive and time.monotonic() < give_up_s and not self._others_need_a_thread(conn):
            received = _receive_some(conn)
            if received is not None:
                conn.sock.waits = False
                conn.parser.unreader.buf.write(received)
                return bool(received)  # the end is for the lobby to find
        return False

    def _others_need_a_thread(self, conn: Any) -> bool:
        return self._worker.tpool.are_scarce or self._turns.must_yield(conn)


def _receive_some(conn: Any) -> bytes | None:
    """Receive what is there, or comes within a moment: nothing at the end, None where nothing came."""
    if isinstance(conn.sock, ssl.SSLSocket):
        conn.sock.settimeout(STEP_S)
    elif conn.sock.gettimeout() is not None:  # gunicorn's main thread has had it
        conn.sock.setblocking(True)  # for a step: see wire.receive_in_steps
    try:
        received: bytes = conn.sock.recv(_READ_BYTES)
    except (BlockingIOError, TimeoutError):
        return None
    except OSError:
        return b""
    return received
