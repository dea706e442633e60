"""What a front has no place for in its queue: whole and in its order whatever dies, and bounded."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from itertools import count

import pytest

from service.parts.link import DeskAway, DeskLink
from service.parts.messages import MOST_BYTES, Kind, Said
from service.parts.unsent import MOST_UNSENT, Unsent, create_unsent
from tests.parts.kit.house import LATER_NS, VIEWS, Ended, House
from tests.support.faults import until


@pytest.fixture(name="fd")
def memory() -> Iterator[int]:
    made = create_unsent()
    yield made
    os.close(made)


def everything(fd: int) -> list[bytes]:
    """What waits, as the next one to open it sees it; then nothing waits."""
    unsent, found = Unsent(fd), []
    while unsent:
        found.append(unsent.first())
        unsent.drop_first()
    return found


def test_what_waits_is_there_in_its_order_for_the_next_one_and_its_memory_is_given_back(fd: int) -> None:
    said = [b"", b"one", b"x" * MOST_BYTES, *(b"%d" % number for number in range(500))]
    at_rest = os.fstat(fd).st_size
    for _ in range(2):
        unsent = Unsent(fd)
        for one in said:
            unsent.put(one)
        assert len(Unsent(fd)) == len(said)
        assert everything(fd) == said
        assert os.fstat(fd).st_size == at_rest


def test_the_oldest_is_given_up_where_there_is_no_place(fd: int) -> None:
    unsent = Unsent(fd)
    for number in range(MOST_UNSENT + 7):
        unsent.put(b"%d" % number)
    assert len(unsent) == MOST_UNSENT
    assert everything(fd) == [b"%d" % number for number in range(7, MOST_UNSENT + 7)]


class Killed:
    """Ends who has something unsent at the step of this number: before a write, in the middle of it or behind it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = -1
        self._pwrite = os.pwrite
        monkeypatch.setattr("service.parts.unsent.os.pwrite", self._writes)

    def _writes(self, fd: int, data: bytes, at: int) -> int:
        half = len(data) // 2 if at else 0  # 16 bytes at the begin of a page are written in one
        for part in (0, half, len(data)):
            self._pwrite(fd, data[:part], at)
            self.left -= 1
            if self.left == 0:
                raise Ended
        return len(data)


def test_ended_at_any_step_all_that_waits_is_whole(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = Killed(monkeypatch)
    for step in count(1):
        killed.left = -1
        Unsent(fd).clear()
        Unsent(fd).put(b"first")
        killed.left = step
        was_ended = False
        try:
            unsent = Unsent(fd)
            unsent.put(b"second")
            unsent.drop_first()
            unsent.put(b"third")
            unsent.drop_first()
        except Ended:
            was_ended = True
        killed.left = -1
        waits = everything(fd)
        assert waits in ([b"first"], [b"first", b"second"], [b"second"], [b"second", b"third"], [b"third"])
        if not was_ended:
            break
    assert step > 15


def a_view(number: int) -> Said:
    return Said(Kind.FRAME, f"part {number // 3}", LATER_NS, number, "OK", VIEWS[number % 3], number + 1, 1, 7)


def test_what_a_front_that_was_killed_has_left_the_next_one_says_by_itself_and_first(fd: int) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for number in range(400):  # more than a queue holds
        Unsent(fd).put(a_view(number).pack())
    link = DeskLink(ours.detach(), Unsent(fd))
    heard: list[int] = []

    def hear() -> int:
        while select.select([theirs], [], [], 0)[0]:
            heard.append(Said.unpack(theirs.recv(MOST_BYTES)).came_ns - 1)
        return len(heard)

    until(lambda: hear() >= 200)
    with pytest.raises(DeskAway):
        link.tell(a_view(400))
    until(lambda: hear() >= 402)  # once more as an error: the first may have been heard
    assert heard == [*range(401), 400]
    until(lambda: not Unsent(fd))
    theirs.close()
    link._link.close()


def test_what_no_front_is_left_to_say_the_desk_hears_at_its_end() -> None:
    house = House()
    unsent = Unsent(house.unsent_fd)
    unsent.put(b"rubbish")
    for number in range(6):
        unsent.put(a_view(number).pack())
    house.work(house.desk())
    assert [(one["part"], one["verdict"]) for one in house.ring().told()] == [("part 0", "OK"), ("part 1", "OK")]
    assert not Unsent(house.unsent_fd)
    house.close()
