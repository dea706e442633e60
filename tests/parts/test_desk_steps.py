"""The part desk ends at any of its steps and the next one goes on: nothing is OK without all of it, nothing twice."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from service.parts.counts import Counts, create_page
from service.parts.desk import PartDesk, woken_by
from service.parts.joining import OK
from service.parts.kept import Kept
from service.parts.messages import Kind, Said
from service.parts.plans import PartPlan, PlanBook, Plans
from service.parts.told import PartRing
from service.results.files import ResultsFiles
from service.results.ring import RingWriter
from service.results.seats import Sleepers
from tests.parts.served import words

VIEWS = ("top", "left", "right")
_LATER_NS = 1 << 62


class Ended(BaseException):
    """What stands for SIGKILL: nothing of ours catches it."""


class House:
    """All that outlives a part desk, and a front's end of its link."""

    def __init__(self) -> None:
        self.files = ResultsFiles.create(1, 1)
        self.front, self.link = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.book = PlanBook()
        self.book.enter("7", PartPlan(VIEWS, 600_000))
        self.kept_fd = os.memfd_create("kept")
        self.counts_fd = create_page()
        self.end_fd = woken_by()

    def desk(self) -> PartDesk:
        """One that goes on with what is there."""
        return PartDesk(
            [self.link],
            Plans(self.book.fd),
            Kept(self.kept_fd),
            self.ring(),
            holds=lambda *_: False,
            counts_fd=self.counts_fd,
        )

    def ring(self) -> PartRing:
        """What is on record."""
        plan = self.files.plan
        return PartRing(plan.part_ring, RingWriter(plan.part_ring), Sleepers(plan.pages, plan.wakes, plan.read_desk))

    def say(self, number: int, part: str, view: str, word: str = OK) -> None:
        """As a front does, that does not wait."""
        self.front.send(Said(Kind.FRAME, part, _LATER_NS, number, word, view, number, 1, 7).pack())

    def work(self, desk: PartDesk) -> None:
        """Have it hear all that was said, and end."""
        os.eventfd_write(self.end_fd, 1)
        desk.run(self.end_fd)
        os.eventfd_read(self.end_fd)

    def close(self) -> None:
        """Let go of all of it."""
        self.front.close()
        self.link.close()
        seats = self.files.seats
        rings = itertools.chain(*self.files.rings)
        fds = (*seats.pages, *seats.wakes, seats.desk, seats.read_desk, *rings)
        for fd in (*fds, self.book.fd, self.kept_fd, self.counts_fd, self.end_fd):
            os.close(fd)


@pytest.fixture
def house() -> Iterator[House]:
    made = House()
    yield made
    made.close()


class Steps:
    """Counts what a part desk does that others see; ends it before or behind one of these."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = -1
        pwrite, append = os.pwrite, RingWriter.append

        def writes(fd: int, data: bytes, at: int) -> int:
            return self._around(lambda: pwrite(fd, data, at))

        def appends(ring: RingWriter, packed: bytes) -> int:
            return self._around(lambda: append(ring, packed))

        monkeypatch.setattr("service.parts.kept.os.pwrite", writes)
        monkeypatch.setattr(RingWriter, "append", appends)

    def _around(self, step: Any) -> int:
        self._pass()
        done: int = step()
        self._pass()
        return done

    def _pass(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Ended


def test_ended_at_any_step_nothing_is_ok_without_all_of_it_and_nothing_is_on_record_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps, oks, passed = Steps(monkeypatch), 0, 0
    while True:
        made = House()
        passed += 1
        try:
            was_ended, on_record = _ended_at(made, steps, passed)
        finally:
            made.close()
        assert len({one["id"] for one in on_record}) == len(on_record)
        for one in on_record:
            assert (one["verdict"] == "OK") == (words(one) == ["OK"] * 3)
            assert one["part"] != "half" or one["verdict"] == "ERROR"
        assert [one["part"] for one in on_record].count("whole") == 1
        oks += any(one["verdict"] == "OK" for one in on_record)
        if not was_ended:
            break
    assert passed > 20
    assert oks > passed // 2


def _ended_at(made: House, steps: Steps, step: int) -> tuple[bool, list[dict[str, Any]]]:
    """Say all, end the desk at a step, let the next one go on; returns whether there was such a step."""
    for number, (part, view) in enumerate([("half", "top"), *(("whole", view) for view in VIEWS)], 1):
        made.say(number, part, view)
    steps.left = step
    try:
        made.work(made.desk())
        was_ended = False
    except Ended:
        was_ended = True
    steps.left = -1
    if was_ended:
        desk = made.desk()
        made.say(4, "whole", "right")  # its front has no answer, and says it again
        made.work(desk)
    return was_ended, made.ring().told()


def test_a_message_that_comes_too_late_is_an_error_and_so_is_one_that_is_taken_back(house: House) -> None:
    house.front.send(Said(Kind.FRAME, "late", 1, 1, OK, "top", 1, 1, 7).pack())
    house.say(2, "back", "top")
    house.say(2, "back", "top", "ERROR")
    for number, view in enumerate(VIEWS[1:], 3):
        for part in ("late", "back"):
            house.say(number, part, view)
    house.work(house.desk())
    told = {one["part"]: (one["why"], words(one)) for one in house.ring().told()}
    assert told == dict.fromkeys(("late", "back"), ("error", ["ERROR", "OK", "OK"]))


def test_rubbish_is_passed_over_and_what_no_plan_knows_is_no_part(house: House) -> None:
    house.front.send(b"rubbish")
    house.front.send(b"")
    house.front.send(Said(Kind.FRAME, "no plan", _LATER_NS, 1, OK, "top", 1, 1, 8).pack())
    for number, view in enumerate(VIEWS, 2):
        house.say(number, "4711", view)
    house.work(house.desk())
    assert [(one["part"], one["verdict"]) for one in house.ring().told()] == [("4711", "OK")]
    assert Counts.read(house.counts_fd) == Counts(ok=1)


def test_a_front_that_hears_nothing_is_not_waited_for(house: House) -> None:
    house.front.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    desk = house.desk()
    for number in range(2000):
        house.say(number + 1, f"p{number // 3}", VIEWS[number % 3])
        desk._hear(house.link)
    house.work(desk)
    assert Counts.read(house.counts_fd).ok == 666
