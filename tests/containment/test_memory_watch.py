"""A kill for memory is one worker's, and only for a while: any process of the machine may have been the one."""

from __future__ import annotations

import pytest

from workers.told import memory_watch
from workers.told.memory_watch import MemoryWatch

SECOND_NS = 10**9


@pytest.fixture(name="kills")
def counted_kills(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Each entry is a process that the kernel has killed for memory."""
    kills: list[int] = []
    monkeypatch.setattr(memory_watch, "_out_of_memory_kills", lambda: len(kills))
    return kills


def test_each_kill_is_that_of_one_worker(kills: list[int]) -> None:
    watch = MemoryWatch()
    watch.tick(0)
    assert not watch.ran_out()
    kills += [1, 2]
    assert [watch.ran_out() for _ in range(3)] == [True, True, False]


def test_a_kill_of_another_process_some_time_ago_is_not_that_of_a_worker(kills: list[int]) -> None:
    watch = MemoryWatch()
    kills.append(1)
    for second in range(10):
        watch.tick(second * SECOND_NS)
    assert not watch.ran_out()


def test_a_worker_that_takes_a_second_to_end_was_killed_for_memory(kills: list[int]) -> None:
    watch = MemoryWatch()
    for second in range(10):
        watch.tick(second * SECOND_NS)
    kills.append(1)
    watch.tick(10 * SECOND_NS)
    assert watch.ran_out()
