"""The part desk: hears of each frame that names a part, ends parts, and tells who asks.

A frame's way here: its part is changed, kept (kept.py), and if it ended by that on record, then let go of, counted, and
its front told. Killed at any step it begins anew with what is kept: what was not heard of makes its part miss a view,
and what is on record already is not ended again. Nobody here waits for a front that does not listen.
"""

from __future__ import annotations

import array
import logging
import os
import select
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

import orjson

from service.parts.asking import Asking, One, send
from service.parts.counts import Counts
from service.parts.joining import ERROR, Frame, Holds, Joining, Part, Seen, Verdict
from service.parts.kept import Kept
from service.parts.messages import MOST_BYTES, NOBODY_KNOWS, REQUEST, Kind, Said
from service.parts.plans import Plans
from service.parts.told import Recent, open_document

_log = logging.getLogger(__name__)

MOST_OPEN = 1000
_AT_ONCE = 64  # messages of one front before the others have their turn
_LONGEST_SLEEP_MS = 60_000
_MS_NS = 1_000_000


class Tells(Protocol):
    """Has what became of parts on record; see told.PartRing."""

    def tell(self, part: Part, verdict: Verdict, end_ns: int) -> dict[str, Any]:
        """Have it on record; returns what is told of it."""

    def told(self) -> list[dict[str, Any]]:
        """What is on record already, the oldest first."""


class PartDesk:
    """For one thread. `links` are its ends of those of the fronts, `counts_fd` is the page of what it counts."""

    def __init__(
        self, links: Sequence[socket.socket], plans: Plans, kept: Kept, tells: Tells, *, holds: Holds, counts_fd: int
    ) -> None:
        """Go on with what is kept."""
        self._links = {link.fileno(): link for link in links}
        self._plans = plans
        self._kept = kept
        self._tells = tells
        self._holds = holds
        self._counts_fd = counts_fd
        self._counts = Counts.read(counts_fd)
        self._joining = Joining(MOST_OPEN)
        self._recent = Recent()
        self._poll = select.poll()
        self._asking = Asking(self._poll)
        for fd in self._links:
            self._poll.register(fd, select.POLLIN)
        for document in tells.told():
            self._recent.put(document)
        for part in kept.load():
            if self._recent.has(part):
                kept.clear(part)  # it is on record; its desk ended before it could let go of it
            else:
                self._joining.take_on(part)
                if part.is_whole:
                    self._end(part, part.verdict(holds))

    def run(self, end_fd: int) -> None:
        """Work until asked to end, by an eventfd; then all that is open is an error, and on record."""
        self._poll.register(end_fd, select.POLLIN)
        self._count()
        must_end = False
        while not must_end:
            ready = [fd for fd, _ in self._poll.poll(self._sleep_ms())]
            must_end = end_fd in ready
            self._end_overdue(time.monotonic_ns())
            for fd in ready:
                self._serve(fd)
            self._count()
        for link in self._links.values():  # what fronts said before they ended
            while self._hear(link):
                pass
        for part in self._joining.all():
            self._end(part, Verdict(ERROR, part.fault or "ended"))
        self._count()

    def _serve(self, fd: int) -> None:
        if fd in self._links:
            for _ in range(_AT_ONCE):
                if not self._hear(self._links[fd]):
                    return
        else:  # the front of who asks has let go
            self._asking.forget(fd)

    def _hear(self, link: socket.socket) -> bool:
        """Hear one message; whether there was one."""
        flags = socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
        try:
            packed, ancillary, _, _ = link.recvmsg(MOST_BYTES, socket.CMSG_SPACE(4), flags)
        except BlockingIOError:
            return False
        fds = array.array("i")
        for _, _, part in ancillary:
            fds.frombytes(part[: len(part) // 4 * 4])
        asking = [socket.socket(fileno=fd) for fd in fds]
        try:
            said = Said.unpack(packed)
        except ValueError as error:
            _log.error("a front said what nobody understands: %s", error)
            for one in asking:
                one.close()
            return True
        now_ns = time.monotonic_ns()
        self._end_overdue(now_ns)
        if said.kind is Kind.FRAME:
            document = self._frame(said, now_ns)
            send(link, REQUEST.pack(said.request) + (orjson.dumps(document) if document else b""))
        for one in asking:
            self._ask(One(one, said.part, said.by_ns), now_ns)
        return True

    def _frame(self, said: Said, now_ns: int) -> dict[str, Any] | None:
        """Take a frame on; returns what became of its part, if it ended by that."""
        frame = Frame(said.came_ns, said.slot)
        before = self._joining.get(said.part)
        if before is None and (told := self._recent.with_frame(said.part, frame)):
            return told  # its front has not heard of it
        plan = before.plan if before else self._plans.of(said.flow)
        if plan is None:
            return None
        word = ERROR if said.by_ns < now_ns else said.word
        part = self._joining.open(said.part, said.flow, plan, frame, now_ns)
        part.add(said.view, Seen(word, frame))
        try:
            self._kept.save(part)
        except OSError as error:
            _log.error("a part is not kept, and would be lost with the part desk: %s", error)
        if oldest := self._joining.surplus():
            self._end(oldest, Verdict(ERROR, "pushed_out"))
        return self._end(part, part.verdict(self._holds)) if part.is_whole else None

    def _end(self, part: Part, verdict: Verdict) -> dict[str, Any]:
        document = self._tells.tell(part, verdict, time.time_ns())
        with suppress(OSError):
            self._kept.clear(part)
        self._joining.end(part)
        self._recent.put(document)
        self._counts = self._counts.with_one(verdict)
        self._asking.tell(part.name, {"state": "ended", **document})
        return document

    def _end_overdue(self, now_ns: int) -> None:
        for part in self._joining.overdue(now_ns):
            self._end(part, part.verdict(self._holds))
        for one in self._asking.overdue(now_ns):
            self._answer(one)
            self._asking.forget(one.link.fileno())

    def _ask(self, one: One, now_ns: int) -> None:
        has_ended = self._joining.get(one.part) is None and self._recent.get(one.part) is not None
        if not has_ended and self._asking.may_wait(one, now_ns):
            self._asking.add(one)
        else:
            self._answer(one)
            one.link.close()

    def _answer(self, one: One) -> None:
        """Tell what is known now."""
        part, told = self._joining.get(one.part), self._recent.get(one.part)
        if part is not None:
            send(one.link, orjson.dumps({"state": "open", **open_document(part)}))
        elif told is not None:
            send(one.link, orjson.dumps({"state": "ended", **told}))
        else:
            send(one.link, NOBODY_KNOWS)

    def _sleep_ms(self) -> float:
        due = [due_ns for due_ns in (self._joining.next_due_ns, self._asking.next_due_ns) if due_ns is not None]
        if not due:
            return _LONGEST_SLEEP_MS
        return max(0, min(_LONGEST_SLEEP_MS, -(-(min(due) - time.monotonic_ns()) // _MS_NS)))

    def _count(self) -> None:
        counts = self._counts._replace(open=len(self._joining))
        if counts != Counts.read(self._counts_fd):
            counts.write(self._counts_fd)


def links(fronts: int) -> list[tuple[int, int]]:
    """Make a pair of ends for each front: its own, and the desk's; descriptors. Raises OSError."""
    made = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(fronts)]
    return [(theirs.detach(), ours.detach()) for theirs, ours in made]


def woken_by() -> int:
    """Make an eventfd that can be written to from a signal's handler."""
    return os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
