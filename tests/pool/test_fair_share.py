"""One client cannot starve the others: who gets the next slot."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faults import until
from tests.support.running import write_project
from workers.admission.turns import Turn, Waiting
from workers.errors import NoFreeSlot
from workers.flow.project import load_project
from workers.pool.lease import Lease
from workers.pool.pool import MOST_WAITING
from workers.settings import PoolSettings
from workers.worker.inline_pool import InlinePool

SETTINGS = PoolSettings(workers=1, fronts=1, slots=2, max_frame_mib=1, max_reply_mib=1)
SLOTS = SETTINGS.slots_per_front + 1


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[InlinePool]:
    made = InlinePool(load_project(write_project(tmp_path / "p")), SETTINGS)
    yield made
    made.close()


def take(pool: InlinePool, client: str, wait_ms: int = 0) -> Lease:
    return pool.lease(time.monotonic_ns() + 60_000_000_000, wait_ms, client)


def give_back(lease: Lease) -> None:
    lease.__exit__(None, None, None)


class _Queue:
    """Threads of clients that wait for slots, and the order in which they came to them."""

    def __init__(self, pool: InlinePool) -> None:
        self._pool = pool
        self._threads: list[threading.Thread] = []
        self.came: list[str] = []
        self.refused: list[str] = []

    def add(self, client: str, number: int) -> None:
        for _ in range(number):
            length = len(self._pool._waiting)
            self._threads.append(threading.Thread(target=self._wait, args=(client,)))
            self._threads[-1].start()
            until(lambda length=length: len(self._pool._waiting) != length or self.refused)  # type: ignore[misc]  # bound now

    def _wait(self, client: str) -> None:
        try:
            with take(self._pool, client, 60_000):
                self.came.append(client)
        except NoFreeSlot:
            self.refused.append(client)

    def join(self) -> None:
        for thread in self._threads:
            thread.join()


def test_clients_take_turns_however_many_frames_each_has_waiting(pool: InlinePool) -> None:
    leases = [take(pool, "a") for _ in range(SLOTS)]
    queue = _Queue(pool)
    queue.add("a", 6)
    queue.add("b", 2)
    queue.add("c", 1)
    give_back(leases[0])
    queue.join()
    assert queue.came[:3] == ["b", "c", "b"]
    assert queue.came[3:] == ["a"] * 6
    for lease in leases[1:]:
        give_back(lease)
    assert pool.free_slots == SLOTS


def test_in_a_full_line_the_client_with_most_there_makes_room(pool: InlinePool) -> None:
    leases = [take(pool, "a") for _ in range(SLOTS)]
    queue = _Queue(pool)
    queue.add("a", MOST_WAITING)
    queue.add("b", 1)
    assert queue.refused == ["a"]
    with pytest.raises(NoFreeSlot):
        take(pool, "a", 60_000)
    for lease in leases:
        give_back(lease)
    queue.join()
    assert queue.came.count("b") == 1
    assert queue.came.count("a") == MOST_WAITING - 1
    assert pool.free_slots == SLOTS


def test_among_those_who_hold_the_same_the_one_served_longest_ago_is_next() -> None:
    waiting = Waiting(100)
    turns = [Turn(client) for client in "aaabbbccc"]
    assert all(waiting.join(turn) for turn in turns)
    order = []
    for slot in range(9):
        waiting.call(slot)
        order.append(next(turn.client for turn in turns if turn.slot == slot))
        waiting.give_back(slot)
    assert order == list("abcabcabc")
    assert not len(waiting)
