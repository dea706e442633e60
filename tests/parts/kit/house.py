"""All that outlives a part desk, without a server; and what ends one at any of its steps."""

from __future__ import annotations

import itertools
import os
import select
import socket
from collections.abc import Callable
from typing import Any

import pytest

from service.parts.counts import create_page
from service.parts.desk import asking
from service.parts.desk.before import Before
from service.parts.desk.desk import Next, PartDesk, links, woken_by
from service.parts.desk.hearing import FrontLink
from service.parts.desk.heir import HeirPage
from service.parts.desk.joins import Joins
from service.parts.desk.kept import Kept
from service.parts.desk.told import PartRing, Recent
from service.parts.joining import OK
from service.parts.messages import Kind, Said
from service.parts.plans import PartPlan, PlanBook, Plans
from service.parts.unsent import create_unsent
from service.results.files import ResultsFiles
from service.results.ring import RingWriter
from service.results.seats import Sleepers

VIEWS = ("top", "left", "right")
LATER_NS = 1 << 62


class Ended(BaseException):
    """What stands for SIGKILL: nothing of ours catches it."""


class House:
    """All that outlives a part desk, and a front's end of its link."""

    def __init__(self, house_before: House | None = None) -> None:
        self.house_before = house_before
        self.files = ResultsFiles.create(1, 1)
        self.front, self.link = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.unsent_fd = create_unsent()
        self.book = PlanBook()
        self.book.enter("7", PartPlan(VIEWS, 600_000))
        self.kept_fd = os.memfd_create("kept")
        self.counts_fd = create_page()
        self.end_fd = woken_by()
        ((theirs, ours),) = links(1)
        self.next_desk, self.next_link = socket.socket(fileno=theirs), socket.socket(fileno=ours)
        self.heir = HeirPage.create()

    def desk(self, before: Before | None = None) -> PartDesk:
        """One that goes on with what is there."""
        following = Next(self.next_link, self.heir)
        front = FrontLink(self.link, self.unsent_fd, Plans(self.book.fd))
        return PartDesk([front], self._joins, following=following, before=before)

    def _joins(self, poll: select.poll) -> Joins:
        recent = Recent()
        for document in self.house_before.ring().told() if self.house_before else ():
            recent.put(document)
        known = (Kept(self.kept_fd), self.ring(), recent)
        return Joins(poll, *known, holds=lambda *_: False, counts_fd=self.counts_fd)

    def ring(self) -> PartRing:
        """What is on record."""
        plan = self.files.plan
        return PartRing(plan.part_ring, RingWriter(plan.part_ring), Sleepers(plan.pages, plan.wakes, plan.read_desk))

    def say(self, number: int, part: str, view: str, word: str = OK) -> None:
        """As a front does, that does not wait."""
        self.front.send(Said(Kind.FRAME, part, LATER_NS, number, word, view, number, 1, 7).pack())

    def work(self, desk: PartDesk) -> None:
        """Have it hear all that was said, and end."""
        os.eventfd_write(self.end_fd, 1)
        desk.run(self.end_fd)
        os.eventfd_read(self.end_fd)

    def close(self) -> None:
        """Let go of all of it."""
        for link in (self.front, self.link, self.next_desk, self.next_link):
            link.close()
        seats = self.files.seats
        rings = itertools.chain(*self.files.rings)
        fds = (*seats.pages, *seats.wakes, seats.desk, seats.read_desk, *rings)
        for fd in (*fds, self.unsent_fd, self.book.fd, self.kept_fd, self.counts_fd, self.end_fd, self.heir.fd):
            os.close(fd)


class Steps:
    """Counts what a part desk does that others see; ends it before or behind one of these."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = -1
        pwrite, append, take_out, send = os.pwrite, RingWriter.append, FrontLink.take_out, asking.send

        def writes(fd: int, data: bytes, at: int) -> Any:
            return self._around(lambda: pwrite(fd, data, at))

        def appends(ring: RingWriter, packed: bytes) -> Any:
            return self._around(lambda: append(ring, packed))

        def takes_out(link: FrontLink) -> None:
            self._around(lambda: take_out(link))

        def answers(link: socket.socket, packed: bytes) -> None:
            self._around(lambda: send(link, packed))

        monkeypatch.setattr("service.parts.desk.kept.os.pwrite", writes)
        monkeypatch.setattr(RingWriter, "append", appends)
        monkeypatch.setattr(FrontLink, "take_out", takes_out)
        monkeypatch.setattr("service.parts.desk.desk.send", answers)

    def _around(self, step: Callable[[], Any]) -> Any:
        self._pass()
        done = step()
        self._pass()
        return done

    def _pass(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Ended
