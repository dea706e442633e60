"""Answers wait for their records while the recorder is killed at each of its steps: none left without its record."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.history.pictures.folder import pictures_in
from service.history.places.place import sqlite_in
from service.results.seats import Wants
from tests.history_under_faults.fronts import HURRY_NS, WaitingFront, check, recorded, work
from tests.history_under_faults.steps import Limits
from workers.memory.slot import State


def test_a_frame_that_could_not_be_recorded_holds_no_slot_for_its_picture(tmp_path: Path) -> None:
    with (
        recorded(tmp_path, Limits(), waits=True) as (front, _),
        front.server.follow_as_program("pictures") as follower,
    ):
        assert isinstance(front, WaitingFront)
        follower.want_pictures(Wants.OK)
        for number in range(6):
            part = str(number)
            front.sent[part] = b"pixels"
            front.ask(part, HURRY_NS)  # there is no recorder
        assert {*front.ends_of_all().values()} == {503}
        assert State.KEPT not in front.states()
        assert front.takes_all()


@pytest.mark.long
@pytest.mark.timeout(300)
def test_killed_at_any_step_each_answer_has_its_record_and_each_frame_is_there_once(tmp_path: Path) -> None:
    path, folder = sqlite_in(tmp_path), pictures_in(tmp_path)
    with recorded(tmp_path, Limits(), waits=True) as (front, recorders):
        assert not work(front, recorders, path, 0)  # it makes the database
        steps = 1
        while work(front, recorders, path, steps):
            check(front, recorders, path, folder)
            steps += 1
        check(front, recorders, path, folder)
        assert steps > 30
        assert [*front.ends_of_all().values()].count(200) > steps  # others were in a hurry
