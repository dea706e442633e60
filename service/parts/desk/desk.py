"""The part desk: hears of each frame that names a part, and has it joined here, or by the server before this one."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from service.parts.desk.asking import send
from service.parts.desk.before import Before
from service.parts.desk.hearing import FrontLink, Heard, NextLink
from service.parts.desk.heir import HeirPage
from service.parts.desk.joins import Joins

_AT_ONCE = 64  # messages of one front before the others have their turn
_LONGEST_SLEEP_MS = 60_000
_MS_NS = 1_000_000


class Next(NamedTuple):
    """The server that may follow: this desk's end of the link to its desk, and whether it goes on with what is open."""

    link: socket.socket
    page: HeirPage


class PartDesk:
    """For one thread. `fronts` are its ends of their links; `joins` makes who joins what they say here.

    While `before` has the parts that are open, it is passed what is heard.
    """

    def __init__(
        self,
        fronts: Sequence[FrontLink],
        joins: Callable[[select.poll], Joins],
        *,
        following: Next,
        before: Before | None = None,
    ) -> None:
        self._poll = select.poll()
        self._fronts = {front.link.fileno(): front for front in fronts}
        self._links: dict[int, FrontLink | NextLink] = dict(self._fronts)
        self._next = following
        self._links[following.link.fileno()] = NextLink(following.link)
        self._make_joins = joins
        self._before = before
        self._joins = None if before else joins(self._poll)
        for fd in (*self._links, *((before.link.fileno(),) if before else ())):
            self._poll.register(fd, select.POLLIN)

    def run(self, end_fd: int) -> None:
        """Work until asked to end, by an eventfd; then all that is open is left to who follows, or is an error."""
        self._poll.register(end_fd, select.POLLIN)
        must_end = False
        while not must_end or self._joins is None:  # what the server before lets go of is to have an end, too
            ready = [fd for fd, _ in self._poll.poll(self._sleep_ms())]
            if end_fd in ready:
                must_end = True
                self._poll.unregister(end_fd)
            if self._before and self._before.link.fileno() in ready and self._before.has_let_go():
                self._go_on_alone(self._before)
            for fd in ready:
                self._serve(fd)
            if self._joins:
                self._joins.tend(time.monotonic_ns())
        self._end(self._joins)

    def _go_on_alone(self, before: Before) -> None:
        """Have the parts that were open there."""
        self._poll.unregister(before.link)
        self._before = None
        self._joins = self._make_joins(self._poll)
        for heard in before.left():
            send(heard.link, self._joins.take(heard, time.monotonic_ns()))

    def _serve(self, fd: int) -> None:
        if fd in self._links:
            for _ in range(_AT_ONCE):
                if not self._hear(fd):
                    return
        elif self._joins:  # the front of who asks has let go
            self._joins.forget(fd)

    def _hear(self, fd: int) -> bool:
        """Hear one message; whether there was one. Only what is joined is taken out, and only what is out answered."""
        link = self._links[fd]
        try:
            heard = link.hear()
            answer = self._take(heard) if isinstance(heard, Heard) else b""
        except Exception:
            link.take_out()  # what nobody can join must not end the next desk, too
            raise
        if heard is None:
            return False
        link.take_out()
        if answer:
            send(link.link, answer)
        return True

    def _take(self, heard: Heard) -> bytes:
        if self._joins:
            return self._joins.take(heard, time.monotonic_ns())
        if self._before:
            self._before.take(heard)
        return b""

    def _end(self, joins: Joins) -> None:
        is_left = self._next.page.is_certain
        if is_left:
            self._next.link.shutdown(socket.SHUT_RD)  # what it says from now on stays with it
        for fd in self._links:  # what was said before that
            while self._hear(fd):
                pass
        for front in self._fronts.values():  # behind the last front
            for heard in front.hear_unsent():
                self._take(heard)
        if is_left:
            joins.leave()
            self._next.link.shutdown(socket.SHUT_RDWR)
        else:
            joins.end_all()

    def _sleep_ms(self) -> float:
        due_ns = self._joins.next_due_ns if self._joins else None
        if due_ns is None:
            return _LONGEST_SLEEP_MS
        return max(0, min(_LONGEST_SLEEP_MS, -(-(due_ns - time.monotonic_ns()) // _MS_NS)))


def links(count: int) -> list[tuple[int, int]]:
    """Make pairs of ends: theirs who say something, and the desk's; descriptors. Raises OSError."""
    made = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(count)]
    return [(theirs.detach(), ours.detach()) for theirs, ours in made]


def woken_by() -> int:
    """Make an eventfd that can be written to from a signal's handler."""
    return os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
