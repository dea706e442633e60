"""A front's end: a thread with an answer waits here until its record is committed, or until its time is over."""

from __future__ import annotations

import select
import socket
import threading
import time
from contextlib import suppress

from service.history.before_answer.asks import ANSWER_BYTES, Key, Said, key_of, said_in
from service.own_errors import NotRecorded

_NOT = "the frame was inspected, and what became of it could not be recorded, so it has no answer: "
_WHY = {
    Said.AWAY: "the database of the history cannot be written to",
    Said.FAULT: "its record cannot be written; the server's log says why",
}
_LATE = "it was not on record by its deadline"
_FULL_MS = 20


class _Waiting:
    """A record that somebody waits for."""

    __slots__ = ("lock", "packed", "said")

    def __init__(self, packed: bytes) -> None:
        self.packed = packed
        self.said = Said.AWAY
        self.lock = threading.Lock()
        self.lock.acquire()


class Asking:
    """The front's end of the pair of its number; for all of its threads."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._waiting: dict[Key, _Waiting] = {}
        self.hears = threading.Thread(target=self._hear, name="recorded", daemon=True)
        self.hears.start()

    def record(self, packed: bytes, due_ns: int) -> None:
        """Have a record committed by `due_ns` (CLOCK_MONOTONIC); raises NotRecorded."""
        key, waiting = key_of(packed), _Waiting(packed)
        self._waiting[key] = waiting
        try:
            self._send(packed, due_ns)
            if not waiting.lock.acquire(timeout=max(0, due_ns - time.monotonic_ns()) / 1e9):
                raise NotRecorded(_NOT + _LATE)
        finally:
            del self._waiting[key]
        if waiting.said is not Said.RECORDED:
            raise NotRecorded(_NOT + _WHY[waiting.said])

    def _send(self, packed: bytes, due_ns: int) -> None:
        while True:
            try:
                self._link.send(packed, socket.MSG_DONTWAIT)
            except BlockingIOError:
                if time.monotonic_ns() >= due_ns:
                    raise NotRecorded(_NOT + _LATE) from None
                room = select.poll()
                room.register(self._link, select.POLLOUT)
                room.poll(_FULL_MS)
            except OSError as error:
                raise NotRecorded(f"{_NOT}a record of {len(packed)} bytes: {error.strerror}") from None
            else:
                return

    def _hear(self) -> None:
        with suppress(ConnectionError):  # the server has ended
            while packet := self._link.recv(ANSWER_BYTES):
                for key, said in said_in(packet):
                    self._end_of(key, said)

    def _end_of(self, key: Key, said: Said) -> None:
        if said is Said.HELLO:
            self._say_again()
        elif (waiting := self._waiting.get(key)) is not None:
            waiting.said = said
            with suppress(RuntimeError):  # it was said twice
                waiting.lock.release()

    def _say_again(self) -> None:
        """Tell a new recorder what still waits: the one before may have had it, and committed it or not."""
        for waiting in [*self._waiting.values()]:
            with suppress(OSError):  # it is full: those are on their way
                self._link.send(waiting.packed, socket.MSG_DONTWAIT)
