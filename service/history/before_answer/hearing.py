"""The recorder's end: hears of records whose answers wait, and says what became of each."""

from __future__ import annotations

import logging
import select
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

from service.history.before_answer.asks import MOST_ASK_BYTES, Key, Said, packets
from service.results.record import BadRecord, Record

_log = logging.getLogger(__name__)


class Asked(NamedTuple):
    """A record whose answer waits."""

    front: int
    record: Record

    @property
    def key(self) -> Key:
        """What its front knows it by."""
        return Key(self.record.head.came_ns, self.record.head.slot)


class Hearing:
    """The recorder's ends of the pairs, by the numbers of fronts; for one thread."""

    def __init__(self, links: Sequence[socket.socket]) -> None:
        self._links = links
        self._poll = select.poll()
        for link in links:
            self._poll.register(link, select.POLLIN)
        for front in range(len(links)):
            self._say(front, [(Key(0, 0), Said.HELLO)])

    def wait(self, timeout_s: float) -> bool:
        """Sleep until somebody asks or the time is over; whether somebody asks."""
        return bool(self._poll.poll(max(0.0, 1000 * timeout_s)))

    def take(self, most: int) -> list[Asked]:
        """Return what is asked now, `most` of each front at most."""
        found: list[Asked] = []
        for front, link in enumerate(self._links):
            for _ in range(most):
                try:
                    packed = link.recv(MOST_ASK_BYTES, socket.MSG_DONTWAIT)
                except BlockingIOError:
                    break
                try:
                    found.append(Asked(front, Record.unpack(packed, front)))
                except BadRecord as error:  # its front has 503 in the end
                    _log.error("a fault of ours: a record that waits cannot be read: %s", error)
        return found

    def answer(self, asked: Iterable[Asked], said: Said) -> None:
        """Say what became of records."""
        by_front: dict[int, list[tuple[Key, Said]]] = {}
        for one in asked:
            by_front.setdefault(one.front, []).append((one.key, said))
        for front, answers in by_front.items():
            self._say(front, answers)

    def _say(self, front: int, answers: Iterable[tuple[Key, Said]]) -> None:
        for packet in packets(answers):
            with suppress(BlockingIOError):  # a front that hears nothing waits for nothing much longer
                self._links[front].send(packet, socket.MSG_DONTWAIT)
