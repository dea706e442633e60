"""The part desk ends at any of its steps and the next one goes on: nothing is OK without all of it, nothing twice."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from service.parts.counts import Counts
from service.parts.desk.hearing import FrontLink, Heard
from service.parts.desk.joins import Joins
from service.parts.desk.kept import Kept
from service.parts.joining import OK
from service.parts.messages import Kind, Said
from service.parts.plans import PartPlan, Plans
from tests.parts.kit.house import LATER_NS, VIEWS, Ended, House, Steps
from tests.parts.kit.served import words
from tests.support.faults import until


@pytest.fixture
def house() -> Iterator[House]:
    made = House()
    yield made
    made.close()


@pytest.mark.parametrize("says_again", [False, True])
def test_ended_at_any_step_what_was_said_is_on_record_once_and_nothing_is_ok_without_all_of_it(
    says_again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, passed = Steps(monkeypatch), 0
    while True:
        made = House()
        passed += 1
        try:
            was_ended, on_record = _ended_at(made, steps, passed, says_again=says_again)
            counted = Counts.read(made.counts_fd)
        finally:
            made.close()
        told = sorted((one["part"], one["verdict"], words(one)) for one in on_record)
        assert told == [("half", "ERROR", ["OK", "MISSING", "MISSING"]), ("whole", "OK", ["OK"] * 3)]
        assert 2 - counted.ok - counted.error in ((0, 1) if was_ended else (0,))
        if not was_ended:
            break
    assert passed > 30


def _ended_at(made: House, steps: Steps, step: int, *, says_again: bool) -> tuple[bool, list[dict[str, Any]]]:
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
        if says_again:
            made.say(4, "whole", "right")  # its front has no answer
        made.work(desk)
    return was_ended, made.ring().told()


def test_a_frame_of_a_part_that_has_ended_is_none_of_the_next_pass_when_it_is_heard_again(house: House) -> None:
    for number, view in enumerate(VIEWS, 1):
        house.say(number, "4711", view)
    house.say(4, "4711", "top")
    house.say(3, "4711", "right")
    house.work(house.desk())
    told = [(one["verdict"], words(one)) for one in house.ring().told()]
    assert told == [("OK", ["OK"] * 3), ("ERROR", ["OK", "MISSING", "MISSING"])]


def test_who_asks_while_the_desk_dies_hears_from_the_next_one(house: House) -> None:
    """The socket that came along stays with the message until that is taken out."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            said = Said(Kind.ASK, "4711", LATER_NS).pack()
            socket.send_fds(house.front, [said], [theirs.fileno()])
        heard = FrontLink(house.link, house.unsent_fd, Plans(house.book.fd)).hear()
        assert isinstance(heard, Heard)
        heard.drop()  # as the end of its process does
        for number, view in enumerate(VIEWS, 1):
            house.say(number, "4711", view)
        house.work(house.desk())
        assert orjson.loads(ours.recv(2000, socket.MSG_DONTWAIT))["verdict"] == OK


def test_a_part_whose_time_is_over_while_there_is_no_desk_is_one_error_with_all_that_was_said(house: House) -> None:
    """Not one that lacks views, and another pass of these; nor is it OK, for who can say when they came?"""
    house.book.enter("7", PartPlan(VIEWS, 1))
    house.say(1, "4711", "top")
    desk = house.desk()
    desk._hear(house.link.fileno())  # and dies
    (part,) = Kept(house.kept_fd).load()
    until(lambda: time.monotonic_ns() > part.due_ns)
    for number, view in enumerate(VIEWS[1:], 2):
        house.say(number, "4711", view)
    house.work(house.desk())
    assert [(one["why"], words(one)) for one in house.ring().told()] == [("desk_away", ["OK"] * 3)]


def test_a_part_that_was_whole_in_time_is_judged_however_late_the_next_desk_comes(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.book.enter("7", PartPlan(VIEWS, 1000))
    for number, view in enumerate(VIEWS, 1):
        house.say(number, "4711", view)
    with monkeypatch.context() as patched:
        patched.setattr(Joins, "_end", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            house.work(house.desk())
    os.eventfd_read(house.end_fd)  # that desk did not get so far
    (part,) = Kept(house.kept_fd).load()
    assert part.is_whole
    until(lambda: time.monotonic_ns() > part.due_ns)
    house.work(house.desk())
    assert [(one["verdict"], words(one)) for one in house.ring().told()] == [("OK", ["OK"] * 3)]


def test_a_message_that_nobody_can_join_ends_one_desk_alone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.say(1, "4711", "top")
    desk = house.desk()
    with monkeypatch.context() as patched:
        patched.setattr(Joins, "take", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            desk._hear(house.link.fileno())
    assert not house.desk()._hear(house.link.fileno())


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
    house.front.send(Said(Kind.FRAME, "no plan", LATER_NS, 1, OK, "top", 1, 1, 8).pack())
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
        desk._hear(house.link.fileno())
    house.work(desk)
    assert Counts.read(house.counts_fd).ok == 666
