"""Followers come and go, sleep, stop, die and lie: nobody waits for one, and each knows what it missed."""

from __future__ import annotations

import os
import random
import signal
import struct
import threading

import pytest

from service.results.follow import CannotFollow, Start
from service.results.seats import SEATS, PageWord
from tests.results.house import House, parts
from tests.support.faults import until


def test_all_fronts_are_read_each_record_once(server: House) -> None:
    with server.follow() as follower:
        for number in range(300):
            server.answer(str(number), front=number % 2)
        assert parts(follower) == [str(number) for number in range(300)]
        assert parts(follower) == []
        assert follower.missed == 0


def test_it_begins_with_what_comes_or_with_the_oldest(server: House) -> None:
    server.answer("before")
    with server.follow(start=Start.NOW) as late, server.follow("other", start=Start.OLDEST) as early:
        server.answer("after", front=1)
        assert parts(late) == ["after"]
        assert parts(early) == ["before", "after"]


def test_who_sleeps_is_woken_and_who_does_not_costs_no_call(server: House) -> None:
    with server.follow() as follower:
        server.answer("awake")
        with pytest.raises(BlockingIOError):
            os.eventfd_read(follower._wake_fd)
        assert parts(follower) == ["awake"]
        woken = threading.Event()

        def sleep() -> None:
            while not follower.wait(60):
                pass
            woken.set()

        sleeper = threading.Thread(target=sleep)
        sleeper.start()
        until(lambda: follower._page[PageWord.ASLEEP])
        server.answer("asleep")
        assert woken.wait(60)
        sleeper.join()
        assert parts(follower) == ["asleep"]
        assert not follower._page[PageWord.ASLEEP]


def test_a_wake_up_that_is_lost_costs_half_a_second(server: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "eventfd_write", lambda *_: None)
    with server.follow() as follower:
        threading.Timer(0.05, server.answer, ["lost"]).start()
        until(lambda: follower.wait(60))
        assert parts(follower) == ["lost"]


def test_a_front_that_takes_over_goes_on_in_the_same_ring(server: House) -> None:
    with server.follow() as follower:
        server.answer("one")
        server.publishers[0] = server.new_front(0)
        server.answer("two")
        assert parts(follower) == ["one", "two"]
        assert follower.missed == 0


def test_one_that_stops_is_waited_for_by_nobody_and_misses_under_its_name(server: House) -> None:
    with server.follow("stopped") as stopped, server.follow("lively") as lively:
        read = 0
        for number in range(4000):
            server.answer(str(number))
            if number % 100 == 99:
                read += len(parts(lively))
        assert server.seen()["stopped"].behind == 4000
        assert read == 4000
        there = parts(stopped)
        assert there[-1] == "3999"
        assert stopped.missed == 4000 - len(there) > 0
        stopped.done()
        seen = server.seen()
        assert (seen["stopped"].missed, seen["stopped"].behind) == (stopped.missed, 0)
        assert seen["lively"].missed == 0


def test_a_follower_that_dies_frees_its_seat_and_the_next_of_its_name_goes_on_behind_what_was_done(
    server: House,
) -> None:
    with server.follow("recorder"):
        pass
    for part in ("0", "1", "2", "not done with"):
        server.answer(part)
    pid = os.fork()
    if pid == 0:
        try:
            follower = server.follow("recorder", Start.RESUME)
            assert [record.about["part"] for record in follower.read(9)] == ["0", "1", "2"]
            follower.done()
            assert parts(follower) == ["not done with"]
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    until(lambda: not server.seen()["recorder"].is_there)
    server.publishers = [server.new_front(0), server.new_front(1)]
    server.answer("while it was away")
    with server.follow("recorder", Start.RESUME) as again:
        assert parts(again) == ["not done with", "while it was away"]
        assert again.missed == 0


def test_what_a_name_has_missed_is_kept_while_it_is_away(server: House) -> None:
    with server.follow("recorder", Start.RESUME) as follower:
        follower.done()
    until(lambda: not server.seen()["recorder"].is_there)
    for number in range(4000):
        server.answer(str(number))
    with server.follow("recorder", Start.RESUME) as again:
        found = parts(again)
        assert again.missed == 4000 - len(found) > 0
        first = again.missed
    until(lambda: not server.seen()["recorder"].is_there)
    assert server.seen()["recorder"].missed == first
    with server.follow("recorder", Start.NOW) as third:
        assert third.missed == first


@pytest.mark.parametrize("seed", range(5))
def test_one_that_lies_harms_nobody(server: House, seed: int) -> None:
    """It writes rubbish all over its page; fronts answer, others follow, and status can be read."""
    noise = random.Random(seed)
    with server.follow_as_program("liar") as liar, server.follow("honest") as honest:
        liar.want_pictures(15)
        for number in range(300):
            liar._page[noise.randrange(512)] = noise.choice((0, 1, 2, 15, 2**63, 2**64 - 1))
            liar._page[PageWord.ASLEEP] = 1
            server.answer(str(number), front=number % 2)
            assert set(server.seen()) == {"liar", "honest"}
        os.eventfd_read(liar._wake_fd)
        os.eventfd_write(liar._wake_fd, 2**64 - 2)  # no front may wait for it to be read
        liar._page[PageWord.ASLEEP] = 1
        server.answer("300")
        assert parts(honest) == [str(number) for number in range(301)]
        assert honest.missed == 0


def test_there_are_as_many_seats_as_there_are(server: House) -> None:
    all_of_them = [server.follow(f"follower {number}") for number in range(SEATS)]
    with pytest.raises(CannotFollow, match="as many follow"):
        server.follow("one more")
    server.answer("to all")
    assert [parts(one) for one in all_of_them] == [["to all"]] * SEATS
    all_of_them.pop().close()
    until(lambda: sum(one.is_there for one in server.seen().values()) == SEATS - 1)
    with server.follow("one more") as another:
        server.answer("to it")
        assert parts(another) == ["to it"]
    for one in all_of_them:
        one.close()


def test_only_programs_of_ours_are_handed_the_frames(server: House) -> None:
    with server.follow() as guest, server.follow_as_program() as program:
        assert guest._pictures is None
        assert program._pictures is not None
        guest.want_pictures(15)
        assert guest._page[PageWord.WANTS] == 0


def test_a_hostile_ring_costs_its_follower_nothing_but_records(server: House) -> None:
    from service.results.ring import map_ring  # noqa: PLC0415

    for number in range(50):
        server.answer(str(number))
    view = map_ring(server.files.rings[0].fd, writable=True)
    with server.follow(start=Start.OLDEST) as follower:
        view[4096 : 4096 + 32 * 60] = struct.pack("=4Q", 3, 2**64 - 1, 2**64 - 1, 0) * 60
        assert follower.read() == []
        assert follower.missed == 50
        server.answer("good", front=1)
        assert parts(follower) == ["good"]
