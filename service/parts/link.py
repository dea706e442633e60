"""A front's end of its link to the part desk: each frame that names a part is told, and the answer waited for, briefly.

The desk is a moment away, or it has died: then nobody waits for it but the first, and who cannot be told of a part in
time is told of an error. What was said meanwhile lies in the socket, and behind it in memory that outlives this front
(unsent.py), in its order; the next desk hears all of it, and takes it for an error, too.
"""

from __future__ import annotations

import itertools
import logging
import select
import socket
import threading
import time
from contextlib import suppress

from service.parts.joining import ERROR
from service.parts.messages import MOST_ANSWER_BYTES, REQUEST, Kind, Said
from service.parts.unsent import Unsent

_log = logging.getLogger(__name__)

_PATIENCE_NS = 250_000_000
_GRACE_NS = 50_000_000  # between what the desk takes for too late, and who waits for it
_AWAY_NS = 500_000_000  # until somebody waits for it again
_MS_NS = 1_000_000


class DeskAway(Exception):
    """It did not answer in time."""


class DeskLink:
    """For all threads of a front; `fd` is its end, `unsent` what a front before it could not send."""

    def __init__(self, fd: int, unsent: Unsent) -> None:
        self._link = socket.socket(fileno=fd)
        self._line = _Line(self._link, unsent)
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
            self._line.say(said._replace(word=ERROR, by_ns=0))
            raise DeskAway
        try:
            if now_ns < self._away_until_ns:  # so another thread has found meanwhile
                by_ns = 0
            request = next(self._requests)
            is_said = self._line.say(said._replace(request=request, by_ns=by_ns))
            answer = self._hear(request, give_up_ns) if is_said and by_ns else None
            if answer is None:
                if by_ns:
                    self._away_until_ns = time.monotonic_ns() + _AWAY_NS
                    # should the desk have had it: its client has not
                    self._line.say(said._replace(word=ERROR, by_ns=0))
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


class _Line:
    """What is said through a socket, in its order: what its queue has no place for waits until it has."""

    def __init__(self, link: socket.socket, unsent: Unsent) -> None:
        self._link = link
        self._unsent = unsent
        self._lock = threading.Lock()
        self._is_served = bool(unsent)
        if unsent:
            self._serve_beside()

    def say(self, said: Said) -> bool:
        """Send it now, or as soon as that can be; returns whether it is sent."""
        packed = said.pack()
        with self._lock:
            if self._send_unsent() and self._is_sent(packed):
                return True
            try:
                self._unsent.put(packed)
            except OSError as error:
                _log.error("nobody hears of a frame of a part: %s", error)
                return False
            if self._is_served:
                return False
            self._is_served = True
        _log.warning("the part desk takes nothing out of its queue; what is said of parts waits for it")
        self._serve_beside()
        return False

    def _send_unsent(self) -> bool:
        """Send what waits, the oldest first; returns whether nothing waits any more."""
        while self._unsent and self._is_sent(self._unsent.first()):
            self._unsent.drop_first()
        return not self._unsent

    def _is_sent(self, packed: bytes) -> bool:
        try:
            self._link.send(packed, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return False
        except OSError:  # nobody has its other end, nor will: the whole server is gone
            self._unsent.clear()
            return False
        return True

    def _serve_beside(self) -> None:
        threading.Thread(target=self._serve, name="unsent of parts", daemon=True).start()

    def _serve(self) -> None:
        """Send until nothing waits: perhaps no frame comes that would."""
        room = select.poll()
        room.register(self._link, select.POLLOUT)
        while True:
            room.poll()
            with self._lock:
                if self._send_unsent():
                    self._is_served = False
                    return
