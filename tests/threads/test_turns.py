"""Whose request gets a thread: addresses share them, and few compute at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from service.threads.turns import Turns


@dataclass(slots=True, eq=False)
class _Conn:
    """As much of a connection as is looked at here."""

    client: tuple[str, int]
    sock: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(waits=False))


class _Front:
    """A front with so many threads; notes who has begun, and whose connections were closed."""

    def __init__(self, threads: int = 40, spare: int = 8) -> None:
        self.begun: list[Any] = []
        self.closed: list[Any] = []
        self.heavy: set[str] = set()
        self.turns = Turns(threads, spare, self.begun.append, self.heavy.__contains__, self.closed.append)

    def come(self, address: str, number: int) -> list[Any]:
        """So many requests, each of a connection of its own."""
        conns = []
        for _ in range(number):
            conns.append(_Conn((address, 1)))
            self.turns.come(conns[-1])
        return conns

    def working(self, address: str) -> list[Any]:
        return [conn for conn in self.begun if conn.client[0] == address]


def test_few_compute_at_a_time_and_the_next_comes_when_one_has_done() -> None:
    front = _Front()
    conns = front.come("a", 20)
    assert front.begun == conns[:8]
    front.turns.done(conns[3])
    assert front.begun == conns[:9]  # in their order
    assert front.turns.is_waiting


def test_who_waits_for_a_slot_is_in_nobodys_way() -> None:
    front = _Front()
    conns = front.come("a", 40)
    while len(front.begun) < 32:  # of forty threads eight are for others
        for conn in front.begun:
            conn.sock.waits = True
        front.turns.call()
    front.turns.call()
    assert front.begun == conns[:32]


def test_another_address_need_not_wait_behind_a_crowd() -> None:
    front = _Front()
    front.come("a", 1000)
    others = front.come("b", 3)
    assert front.working("b")[:2] == others[:2]
    for _ in range(50):
        front.turns.done(front.begun.pop(0))
    assert len(front.working("b")) + 2 <= len(front.working("a")) + 3
    assert not {conn.client[0] for conn in front.begun} - {"a", "b"}


def test_who_has_left_much_unread_has_two_threads_and_not_none() -> None:
    front = _Front()
    front.heavy.add("a")
    conns = front.come("a", 20)
    assert front.begun == conns[:2]
    for conn in conns[:2]:
        conn.sock.waits = True
    front.turns.call()
    assert front.begun == conns[:2]
    front.turns.done(conns[0])
    assert front.begun == conns[:3]


def test_a_thread_goes_to_another_only_where_somebody_waits_for_it() -> None:
    front = _Front()
    mine, yours = front.come("a", 9), front.come("b", 1)
    assert front.turns.must_yield(mine[0])
    assert not front.turns.must_yield(yours[0])
    for conn in mine[:5]:
        front.turns.done(conn)
    assert not front.turns.is_waiting
    assert not front.turns.must_yield(mine[8])


def test_room_is_made_by_the_address_with_most_that_wait() -> None:
    front = _Front()
    crowd = front.come("a", 20)
    front.come("b", 5)
    assert front.turns.largest_crowd == 12
    assert front.turns.make_room()
    assert front.closed == [crowd[8]]
    assert front.turns.largest_crowd == 11
    assert not _Front().turns.make_room()
