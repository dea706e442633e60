"""Which workers the supervisor takes for deaf: those that let a frame wait, not those that have just come to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.running import write_project
from workers.crew.member import Member, silent
from workers.flow.project import load_project
from workers.memory.control import WorkerRow
from workers.memory.layout import ROW_BYTES

SECOND_NS = 10**9
NOW_NS = 1000 * SECOND_NS


@pytest.fixture(name="member")
def member_at_work(tmp_path: Path) -> Member:
    project = load_project(write_project(tmp_path / "p"))
    return Member(1, -1, 0, -1, -1, project, ready=True, went_ns=NOW_NS - 60 * SECOND_NS)


def row_of(*, frames: int = 7, busy: int = 0) -> memoryview:
    row = memoryview(bytearray(ROW_BYTES)).cast("Q")
    row[WorkerRow.FRAMES], row[WorkerRow.BUSY], row[WorkerRow.HEARD_NS] = frames, busy, NOW_NS + 100 * SECOND_NS
    return row


def is_silent(member: Member, row: memoryview, after_s: float = 0.0) -> bool:
    """Whether it is one of them where a frame has waited for ten seconds."""
    return silent([member], [row], NOW_NS + int(after_s * SECOND_NS), 10 * SECOND_NS) == [member]


def test_an_idle_worker_that_lets_a_frame_wait_is_deaf_after_a_second(member: Member) -> None:
    row = row_of()
    assert [is_silent(member, row, s) for s in (0.0, 0.5, 0.99, 1.01)] == [False, False, False, True]


def test_a_worker_that_has_just_come_finds_frames_that_waited_for_it(member: Member) -> None:
    member.went_ns = NOW_NS
    row = row_of(frames=0)
    assert [is_silent(member, row, s) for s in (0.0, 0.99, 1.01)] == [False, False, True]


def test_a_worker_between_two_frames_is_not_deaf(member: Member) -> None:
    seen = [is_silent(member, row_of(frames=number), 0.9 * number) for number in range(1, 6)]
    seen += [is_silent(member, row_of(frames=5, busy=1), 20.0), is_silent(member, row_of(frames=6), 20.5)]
    assert not any(seen)
