"""The part desk ends at any of its steps and the next one goes on: nothing is OK without all of it, nothing twice."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from service.parts.counts import Counts
from service.parts.joining import OK
from service.parts.messages import Kind, Said
from tests.parts.kit.house import LATER_NS, VIEWS, Ended, House, Steps
from tests.parts.kit.served import words


@pytest.fixture
def house() -> Iterator[House]:
    made = House()
    yield made
    made.close()


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
