"""A front's end of its link to the part desk: each frame that names a part is told, and the answer waited for, briefly.

The desk is a moment away, or it has died: then nobody waits for it but the first, and who cannot be told of a part in
time is told of an error. What was said meanwhile lies in the socket, and the next desk takes it for an error, too.
"""

from __future__ import annotations

import itertools
import select
import socket
import threading
import time
from contextlib import suppress

from service.parts.joining import ERROR
from service.parts.messages import MOST_ANSWER_BYTES, REQUEST, Kind, Said

_PATIENCE_NS = 250_000_000
_GRACE_NS = 50_000_000  # between what the desk takes for too late, and who waits for it
_AWAY_NS = 500_000_000  # until somebody waits for it again
_MS_NS = 1_000_000


class DeskAway(Exception):
    """It did not answer in time."""


class DeskLink:
    """For all threads of a front; `fd` is its end."""

    def __init__(self, fd: int) -> None:
        self._link = socket.socket(fileno=fd)
        self._poll = select.poll()
        self._poll.register(self._link, select.POLLIN)
        self._lock = threading.Lock()
        self._requests = itertools.count(time.time_ns())  # the front before had others
        self._away_until_ns = 0

    def tell(self, said: Said) -> bytes:
        """Tell of a frame; returns what became of its part, JSON, nothing while that is open.

        Raises:
            DeskAway: nobody knows; the desk takes this frame for an error.
        """
        now_ns = time.monotonic_ns()
        by_ns = now_ns + _PATIENCE_NS if now_ns >= self._away_until_ns else 0
        give_up_ns = now_ns + _PATIENCE_NS + _GRACE_NS
        if not self._lock.acquire(timeout=(give_up_ns - now_ns) / 1e9):
            self._say(said._replace(word=ERROR, by_ns=0))
            raise DeskAway
        try:
            if now_ns < self._away_until_ns:  # so another thread has found meanwhile
                by_ns = 0
            request = next(self._requests)
            is_said = self._say(said._replace(request=request, by_ns=by_ns))
            answer = self._hear(request, give_up_ns) if is_said and by_ns else None
            if answer is None:
                if by_ns:
                    self._away_until_ns = time.monotonic_ns() + _AWAY_NS
                    self._say(said._replace(word=ERROR, by_ns=0))  # should the desk have had it: its client has not
                raise DeskAway
        finally:
            self._lock.release()
        return answer

    def ask(self, part: str, wait_s: float) -> socket.socket:
        """Ask for a part; what is known comes through the socket, at the latest when the time is over, then its end."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        by_ns = time.monotonic_ns() + int(wait_s * 1000) * _MS_NS
        with theirs:
            try:
                packed = Said(Kind.ASK, part, by_ns).pack()
                socket.send_fds(self._link, [packed], [theirs.fileno()], socket.MSG_DONTWAIT)
            except OSError:
                ours.close()
                raise DeskAway from None
        return ours

    def _say(self, said: Said) -> bool:
        try:
            self._link.send(said.pack(), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except OSError:  # its queue is full, for nobody takes anything out
            return False
        return True

    def _hear(self, request: int, give_up_ns: int) -> bytes | None:
        """Wait for the answer to a request; those to earlier ones, whom nobody waits for any more, are passed over."""
        while True:
            left_ms = (give_up_ns - time.monotonic_ns()) / _MS_NS
            if left_ms <= 0 or not self._poll.poll(left_ms):
                return None
            with suppress(OSError):
                packed = self._link.recv(MOST_ANSWER_BYTES, socket.MSG_DONTWAIT)
                if len(packed) >= REQUEST.size and REQUEST.unpack_from(packed)[0] == request:
                    return packed[REQUEST.size :]
