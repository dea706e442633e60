"""Followers come and go, sleep, stop, die and lie: nobody waits for one, and each knows what it missed."""

from __future__ import annotations

import os
import random
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from service.results.door import SOCKET_NAME, Door, short_path
from service.results.files import ResultsFiles
from service.results.follow import CannotFollow, Follower, Start
from service.results.record import MOST_CONTEXT_BYTES, Kind
from service.results.seats import SEATS, PageWord
from tests.results.house import House, house, parts
from tests.support.faults import until
from workers.errors import DeadlineExceeded, InternalError, InvalidParameter, NoFreeSlot


@pytest.fixture(name="server")
def server_house(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as made:
        yield made


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
            assert [record.about["part"] for record in follower.read(6)] == ["0", "1", "2"]
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


def _knock(folder: Path) -> socket.socket:
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with short_path(folder) as here:
        link.connect(str(here / SOCKET_NAME))
    link.settimeout(60)
    return link


@pytest.mark.parametrize(
    "hello",
    [
        b"rubbish",
        b"[]",
        b"{}",
        b'{"version":2,"name":"x"}',
        b'{"version":1,"name":""}',
        b'{"version":1,"name":5}',
        b'{"version":1,"name":"' + b"x" * 65 + b'"}',
        b"\xff" * 4000,
    ],
)
def test_who_does_not_say_its_name_has_no_seat(server: House, hello: bytes) -> None:
    with _knock(server.folder) as link:
        link.send(hello)
        assert "another version" in orjson.loads(link.recv(4096))["error"]
        assert link.recv(1) == b""
    assert not server.seen()


def test_who_knocks_and_says_nothing_keeps_nobody_out(server: House) -> None:
    silent = [_knock(server.folder) for _ in range(40)]
    with server.follow() as follower:
        server.answer("all the same")
        assert parts(follower) == ["all the same"]
    assert silent[0].recv(1) == b""
    for link in silent:
        link.close()


def test_a_folder_of_a_long_name_will_do_and_the_socket_is_for_one_user(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 40)
    folder.mkdir()
    with house(folder) as server, server.follow() as follower:
        assert (folder / SOCKET_NAME).stat().st_mode & 0o777 == 0o600
        server.answer("far away")
        assert parts(follower) == ["far away"]
    assert not (folder / SOCKET_NAME).exists()


def test_the_door_of_the_next_server_takes_the_place_of_this_one(tmp_path: Path) -> None:
    with house(tmp_path) as before:
        old = before.follow()
        with house(tmp_path) as after:
            before.answer("old")
            after.answer("new")
            assert parts(old) == ["old"]
            assert not old.is_over
            with after.follow(start=Start.OLDEST) as new:
                assert parts(new) == ["new"]
            before.end()
            before.end = lambda: None  # type: ignore[method-assign]
            until(lambda: old.wait(1) or old.is_over)
            old.close()
            with after.follow(start=Start.OLDEST) as new:  # its socket is still there
                assert parts(new) == ["new"]


def test_where_no_server_is_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(CannotFollow, match="no server answers"):
        Follower.of(tmp_path, "test")
    (tmp_path / SOCKET_NAME).touch()
    with pytest.raises(CannotFollow, match="no server answers"):
        Follower.of(tmp_path, "test")
    with pytest.raises(CannotFollow, match="no server answers"):
        Follower.of(tmp_path / "nothing", "test")


def test_a_folder_that_cannot_be_written_to_costs_the_door_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with house(tmp_path / "nothing") as server:
        server.answer("nobody follows")
    assert "nobody can follow results" in caplog.text


def test_only_programs_of_ours_are_handed_the_frames(server: House) -> None:
    with server.follow() as guest, server.follow_as_program() as program:
        assert guest._pictures is None
        assert program._pictures is not None
        guest.want_pictures(15)
        assert guest._page[PageWord.WANTS] == 0


def test_an_error_has_its_status_and_a_fault_of_ours_tells_nothing(server: House) -> None:
    with server.follow() as follower:
        server.fail(DeadlineExceeded("it was late"), slot=1)
        server.fail(InvalidParameter("width is wrong"))
        server.fail(InternalError("secret"), slot=1)
        server.fail(KeyError("secret"), slot=1)
        found = [record.document() for record in follower.read()]
    assert [one["status"] for one in found] == [504, 400, 500, 500]
    assert found[0]["error"] == {"code": "deadline_exceeded", "message": "it was late"}
    assert "secret" not in str(found[3])
    assert {one["camera"] for one in found} == {"10.0.0.9"}
    assert len({one["id"] for one in found}) == 4


def _told(server: House) -> bool:
    """Whether the second of the last refusal is over, and all were told."""
    server.publishers[0].call_time()
    return not server.publishers[0]._refusals._counts


def test_refusals_are_counted_by_client_and_second(server: House) -> None:
    with server.follow() as follower:
        for number in range(5000):
            server.fail(NoFreeSlot("full"), client=f"10.0.0.{number % 4}", is_refused=True)
        server.fail(DeadlineExceeded("not begun"), client="10.0.0.1", is_refused=True)
        until(lambda: _told(server))
        records = follower.read()
    assert {record.head.kind for record in records} == {Kind.REFUSALS}
    assert len(records) < 20
    counts: dict[tuple[str, int], int] = {}
    for record in records:
        for entry in record.told["refused"]:
            key = entry["client"], entry["status"]
            counts[key] = counts.get(key, 0) + entry["count"]
    assert counts == {**{(f"10.0.0.{n}", 429): 1250 for n in range(4)}, ("10.0.0.1", 504): 1}


def test_a_flood_of_wrong_requests_is_counted_beyond_some(server: House) -> None:
    """Each costs its sender nothing: 5,000 in a moment do not push parts out."""
    with server.follow(start=Start.OLDEST) as follower:
        server.answer("a part")
        for _ in range(5000):
            server.fail(InvalidParameter("width is wrong, " * 100))
        records = follower.read(10_000)
        assert records[0].about["part"] == "a part"
        assert follower.missed == 0
        alone = sum(record.head.kind is Kind.FRAME for record in records) - 1
        assert 200 <= alone < 5000


def test_very_many_clients_are_one_behind_the_first(server: House) -> None:
    with server.follow() as follower:
        for number in range(1000):
            server.fail(NoFreeSlot("full"), client=f"client {number}", is_refused=True)
        until(lambda: _told(server))
        records = follower.read()
    assert sum(entry["count"] for record in records for entry in record.told["refused"]) == 1000
    assert all(len(record.told["refused"]) <= 65 for record in records)


def test_a_large_context_is_left_out_and_counted_and_what_matters_of_it_is_kept(server: House) -> None:
    rectangle = {"classNames": [{"label": "scratch"}]}
    large = orjson.dumps({"score": 0.7, "text": "x" * MOST_CONTEXT_BYTES, "detectedRectangles": [rectangle]})
    with server.follow() as follower:
        server.answer("large", context=large, verdict=False)
        server.answer("huge", context=large + b" " * (2 << 20), verdict=False)
        server.answer("usual")
        found, huge, usual = (record.document() for record in follower.read())
    assert server.left_out == 2
    assert (found["score"], found["labels"], found["verdict"]) == (0.7, ["scratch"], "NOK")
    assert found["contextLeftOutBytes"] == len(large)
    assert "context" not in found
    assert (huge["verdict"], huge["score"]) == ("NOK", None)
    assert usual["context"]["score"] == 0.5


def test_a_ring_of_another_server_in_bad_hands_costs_no_answer(server: House, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever goes wrong while it is told, the frame has its answer; the log says so."""
    server.publishers[0]._ring._words.release()
    server.answer("lost")
    server.fail(DeadlineExceeded("late"), slot=1)
    assert caplog.text.count("the result of a frame could not be kept") == 2


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


def _open_fds() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def test_doors_leave_no_descriptors(tmp_path: Path) -> None:
    with house(tmp_path) as server:
        with server.follow():
            pass
        until(lambda: not server.seen()["test"].is_there)
        before = _open_fds()
        for _ in range(20):
            with server.follow():
                pass
            with pytest.raises(CannotFollow):
                Follower(_knock(tmp_path), "x" * 65, Start.NOW)
        until(lambda: _open_fds() <= before + 1)


def test_one_that_opens_before_it_attends_is_a_fault_of_ours(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        Door(ResultsFiles.create(1, 1), tmp_path).open()
