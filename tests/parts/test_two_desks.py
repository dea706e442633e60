"""The part desk of one server leaves what is open to that of the next: at any step, nothing is lost or ends twice."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from service.parts.desk.before import Before
from service.parts.desk.hearing import NextLink
from service.parts.desk.heir import HeirPage
from service.parts.handed import PartsHandedOn
from service.parts.messages import REQUEST
from service.parts.plans import PartPlan
from tests.parts.kit.house import VIEWS, Ended, House, Steps
from tests.parts.kit.served import words

_PID = 4711


class Two:
    """A server and the one that follows it, which has frames already; each says views by a front of its own."""

    def __init__(self) -> None:
        self.old = House()
        self.new = House(self.old)
        os.close(self.new.kept_fd)
        self.new.kept_fd = os.dup(self.old.kept_fd)
        self.new.book.enter("7", PartPlan(VIEWS, 600_000))
        self._link = self.old.next_desk.dup()
        self.desk = self.new.desk(Before(self._link))
        self.first = self.old.desk()

    def new_hears(self) -> None:
        """Have the next server's desk hear what its front said."""
        while self.desk._hear(self.new.link.fileno()):
            pass

    def follow(self) -> None:
        """Have it take over, for both to know."""
        self.old.heir.claim(_PID)
        self.old.heir.took_over(_PID)

    def on_record(self) -> list[dict[str, Any]]:
        """What both have on record."""
        return [*self.old.ring().told(), *self.new.ring().told()]

    def die(self) -> None:
        """Have the whole first server be gone."""
        self.old.next_link.close()
        self.old.next_link = socket.socket()

    def close(self) -> None:
        """Let go of all of it."""
        self._link.close()
        self.old.close()
        self.new.close()


@pytest.fixture
def two() -> Iterator[Two]:
    made = Two()
    yield made
    made.close()


def _answers(front: socket.socket) -> dict[int, bytes]:
    found = {}
    front.setblocking(False)
    try:
        while packed := front.recv(1 << 16):
            found[REQUEST.unpack_from(packed)[0]] = packed[REQUEST.size :]
    except BlockingIOError:
        return found
    return found


def test_what_both_hear_is_one_part_and_what_is_open_is_gone_on_with(two: Two) -> None:
    two.old.say(1, "whole", "top")
    two.new.say(2, "whole", "left")
    two.new.say(3, "open", "top")
    two.new_hears()
    two.old.say(4, "whole", "right")
    two.follow()
    two.old.work(two.first)
    assert [(one["part"], one["verdict"]) for one in two.on_record()] == [("whole", "OK")]
    for number, view in enumerate(VIEWS[1:], 5):
        two.new.say(number, "open", view)
    two.new.work(two.desk)
    assert [(one["part"], one["verdict"]) for one in two.on_record()] == [("whole", "OK"), ("open", "OK")]
    assert sorted(_answers(two.new.front)) == [2, 3, 5, 6]


def test_one_that_is_not_followed_by_who_understands_it_ends_what_is_open(two: Two) -> None:
    two.old.heir.claim(_PID)
    two.old.heir.took_over(_PID + 1)
    two.old.say(1, "open", "top")
    two.old.work(two.first)
    assert [(one["part"], one["why"]) for one in two.on_record()] == [("open", "ended")]


def test_ended_at_any_step_nothing_is_lost_and_nothing_is_on_record_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    steps, step, ended = Steps(monkeypatch), 0, True
    while ended:
        step += 1
        made = Two()
        try:
            ended, on_record = _ended_at(made, steps, step)
        finally:
            made.close()
        told = sorted((one["part"], one["verdict"], words(one)) for one in on_record)
        assert told == [
            ("first", "OK", ["OK"] * 3),
            ("half", "ERROR", ["OK", "MISSING", "MISSING"]),
            ("second", "OK", ["OK"] * 3),
        ]
    assert step > 15


def _ended_at(two: Two, steps: Steps, step: int) -> tuple[bool, list[dict[str, Any]]]:
    """Say all, end the first desk at a step as its server takes its leave, let the next one go on."""
    parts = ("first", "half", "second")
    for number, part in enumerate(parts, 1):
        two.old.say(number, part, "top")
    for number, (part, view) in enumerate([("first", "left"), ("first", "right"), ("second", "left")], 4):
        two.new.say(number, part, view)
    two.new_hears()
    two.follow()
    steps.left = step
    try:
        two.old.work(two.first)
        was_ended = False
    except Ended:
        was_ended = True
        steps.left = -1
        answered = _answers(two.old.front)
        for number, part in enumerate(parts, 1):  # its front has no answer, and says it again
            if number not in answered:
                two.old.say(number, part, "top")
        two.old.work(two.old.desk())  # its supervisor has started another
    steps.left = -1
    two.new.say(7, "second", "right")
    two.new.work(two.desk)
    return was_ended, two.on_record()


def test_one_whose_whole_server_is_killed_leaves_what_it_had(two: Two) -> None:
    two.old.say(1, "whole", "top")
    while two.first._hear(two.old.link.fileno()):
        pass
    two.die()
    for number, view in enumerate(VIEWS[1:], 2):
        two.new.say(number, "whole", view)
    two.new.work(two.desk)
    assert [(one["part"], one["verdict"]) for one in two.on_record()] == [("whole", "OK")]


def test_what_is_handed_over_is_read_only_by_who_understands_it() -> None:
    house = House()
    handed = PartsHandedOn(house.kept_fd, house.next_desk.fileno(), house.heir.fd, -1)
    assert PartsHandedOn.read(handed.as_text()) == handed
    assert PartsHandedOn.read("2,1,2,3,4") is None
    assert PartsHandedOn.read(f"1,{house.kept_fd},{house.kept_fd},{house.heir.fd},-1") is None
    house.next_desk.close()
    assert PartsHandedOn.read(handed.as_text()) is None
    house.next_desk = socket.socket()
    with pytest.raises(ValueError, match="another version"):
        HeirPage(house.kept_fd)
    house.close()


def test_rubbish_from_the_next_server_is_passed_over(two: Two) -> None:
    link = NextLink(two.old.next_link)
    for said in (b"rubbish", b"x" * 100):
        two.old.next_desk.send(said)
        assert link.hear() is True
        link.take_out()
    assert link.hear() is None
