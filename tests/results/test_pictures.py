"""A frame stays in its slot for who wants it: as its client sent it, for five seconds at most, at no other's cost."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import workers.pool.staying
from service.results.follow import Follower
from service.results.publish import RingPublisher
from service.results.record import Record, about_bytes
from service.results.ring import RingWriter
from service.results.seats import PageWord, Wants
from service.results.story import Story
from tests.results.house import GEOMETRY, House, house
from tests.support.faults import until
from workers.errors import NoFreeSlot
from workers.memory.arena import map_part
from workers.memory.control import Control, ControlPage
from workers.memory.slot import Outcome, State, Word, headers
from workers.pool.job import Job
from workers.pool.pool import Pool
from workers.worker.inspector import Answer

CONTEXT = b'{"result":true,"save":false}'
SAVE = b'{"result":true,"save":true}'


class Camera:
    """A front whose worker answers at once: its pool, and its publisher."""

    def __init__(self, server: House) -> None:
        self.server = server
        self.low = map_part(server.arena, 0, GEOMETRY.requests_at, writable=True)
        control = ControlPage(self.low, GEOMETRY)
        control.format()
        control.words[Control.WORKERS_READY] = 1
        self.headers = headers(self.low, GEOMETRY)
        for header in self.headers:
            header.format()
        self.verdict, self.context = 1, CONTEXT
        self.take_over()

    def take_over(self) -> None:
        """Be the front that follows the one before, which has died."""
        sleepers = self.server.new_sleepers()
        self.pool = Pool(self.server.arena, 0, self._dispatch, has_done=sleepers.has_done)
        ring = RingWriter(self.server.files.rings[0].fd)
        self.publisher = RingPublisher(ring, sleepers, self.server.control, lambda: None)

    def _dispatch(self, header: Any, *_: object) -> None:
        header.queue(time.monotonic_ns())
        at = GEOMETRY.reply_at(header.index)
        self.low[at : at + len(self.context)] = self.context
        header.move(State.RUNNING)
        now_ns = time.monotonic_ns()
        answer = Answer(json_bytes=len(self.context), verdict=self.verdict)
        header.leave_answer(now_ns, now_ns, Outcome.ANSWERED, *answer)
        header.move(State.DONE)

    def send(self, part: str, frame: bytes = b"pixels") -> int:
        """Have a frame inspected and told of; returns its slot."""
        with self.pool.lease(time.monotonic_ns() + 10**9, 0) as lease:
            lease.area[: len(frame)] = frame
            reply = lease.run(Job(data=part, width=2, height=3, pixel_format="Mono8"), len(frame))
            story = Story("camera", time.monotonic_ns(), about_bytes("camera", "camera", part, ""))
            story.came_ns, story.slot = lease.came_ns, lease.slot
            self.publisher.answered(story, reply, lease)
            return lease.slot

    def states(self) -> list[State]:
        return [header.state for header in self.headers]

    def takes_all(self) -> bool:
        """Whether it has as many slots for frames as ever, at once."""
        leases = []
        with suppress(NoFreeSlot):
            while True:
                leases.append(self.pool.lease(time.monotonic_ns() + 10**9, 0))
        for lease in leases:
            lease.__exit__()
        return GEOMETRY.slots_per_front <= len(leases) <= GEOMETRY.slots_per_front + 1


@pytest.fixture(name="server")
def server_house(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path, fronts=1) as made:
        yield made


@pytest.fixture
def camera(server: House) -> Camera:
    return Camera(server)


@pytest.fixture
def recorder(server: House) -> Iterator[Follower]:
    with server.follow_as_program("recorder") as made:
        made.want_pictures(Wants.NOK | Wants.OK)
        yield made


def _read(follower: Follower, count: int = 1) -> list[Record]:
    found = follower.read()
    assert len(found) == count
    return found


def test_a_picture_is_what_the_client_sent(camera: Camera, recorder: Follower) -> None:
    camera.send("first", b"its pixels")
    (record,) = _read(recorder)
    sent = recorder.picture(record)
    assert sent is not None
    assert sent.frame == b"its pixels"
    assert (sent.job.data, sent.job.width, sent.job.pixel_format) == ("first", 2, "Mono8")


def test_it_stays_while_its_follower_has_not_done_with_it_and_costs_no_slot(camera: Camera, recorder: Follower) -> None:
    camera.send("first", b"one")
    camera.send("second", b"two")
    (first, second) = _read(recorder, 2)
    for number in range(20):
        camera.send(f"other {number}")
    assert camera.states().count(State.KEPT) == 2
    assert camera.takes_all()
    found = [recorder.picture(record) for record in (first, second)]
    assert [sent and sent.frame for sent in found] == [b"one", b"two"]
    camera.send("one more")
    until(lambda: camera.pool.free_slots >= GEOMETRY.slots_per_front and State.KEPT not in camera.states())
    assert camera.takes_all()


def test_no_more_stay_than_may_and_the_others_are_told_without(camera: Camera, recorder: Follower) -> None:
    for number in range(10):
        camera.send(str(number), str(number).encode())
    records = _read(recorder, 10)
    pictures = [recorder.picture(record) for record in records]
    assert [sent.frame for sent in pictures if sent] == [b"0", b"1"]
    camera.send("again")
    assert recorder.picture(_read(recorder)[0]) is not None


@pytest.mark.parametrize(
    ("wants", "verdict", "context", "stays"),
    [
        (0, 2, CONTEXT, False),
        (Wants.NOK, 2, CONTEXT, True),
        (Wants.NOK, 1, CONTEXT, False),
        (Wants.OK, 1, CONTEXT, True),
        (Wants.SAVE, 1, CONTEXT, False),
        (Wants.SAVE, 1, SAVE, True),
        (Wants.SAVE, 1, rb'{"data":"\"save\":true","save":false}', False),
        (Wants.NOK | Wants.OK, 0, CONTEXT, False),
    ],
)
def test_which_stay_is_as_the_follower_says(
    server: House, camera: Camera, wants: int, verdict: int, context: bytes, stays: bool
) -> None:
    camera.verdict, camera.context = verdict, context
    with server.follow_as_program() as follower:
        follower.want_pictures(wants)
        camera.send("it")
        assert (_read(follower)[0].head.picture is not None) == stays


def test_every_third_stays(server: House, camera: Camera) -> None:
    with server.follow_as_program() as follower:
        follower.want_pictures(Wants.EVERY, 3)
        for number in range(12):
            camera.send(str(number))
            for record in follower.read():
                follower.let_go(record)
                assert (record.head.picture is not None) == (number % 3 == 2)


def test_it_stays_for_all_who_want_it(server: House, camera: Camera, recorder: Follower) -> None:
    with server.follow_as_program("other") as other:
        other.want_pictures(Wants.OK)
        camera.send("both", b"for both")
        (first,), (second,) = _read(recorder), _read(other)
        assert recorder.picture(first) is not None
        camera.send("next")
        assert camera.states()[first.head.picture.slot] is State.KEPT  # type: ignore[union-attr]
        sent = other.picture(second)
        assert sent is not None
        assert sent.frame == b"for both"
        recorder.let_go(_read(recorder)[0])
        other.let_go(_read(other)[0])
    camera.send("last")
    until(lambda: camera.pool.free_slots and State.KEPT not in camera.states()[:1])


def test_what_stays_for_one_that_dies_is_free_again(server: House, camera: Camera) -> None:
    with server.follow_as_program("dies") as follower:
        follower.want_pictures(Wants.OK)
        for number in range(4):
            camera.send(str(number))
        assert camera.states().count(State.KEPT) == 2
    until(lambda: not server.seen()["dies"].is_there)
    assert camera.pool.free_slots
    assert State.KEPT not in camera.states()
    assert camera.takes_all()


def test_what_stays_too_long_is_free_again_and_not_taken_for_another(
    camera: Camera, recorder: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers.pool.staying, "_MOST_NS", 50_000_000)
    camera.send("slow", b"slow")
    camera.send("last")
    slow, last = _read(recorder, 2)
    until(lambda: camera.pool.free_slots and State.KEPT not in camera.states())
    sent = recorder.picture(slow)
    assert sent is None or sent.frame == b"slow"  # nobody has been there meanwhile
    for number in range(10):
        camera.send(f"other {number}", b"other")
    assert recorder.picture(slow) is None
    assert last.head.picture is not None


def test_a_front_that_takes_over_leaves_what_stays_and_has_as_many_slots(camera: Camera, recorder: Follower) -> None:
    camera.send("first", b"one")
    camera.send("second", b"two")
    camera.send("third", b"three")
    records = _read(recorder, 3)
    camera.take_over()
    assert camera.takes_all()
    for number in range(10):
        camera.send(f"other {number}", b"other")
    pictures = [recorder.picture(record) for record in records]
    assert [sent and sent.frame for sent in pictures] == [b"one", b"two", None]
    camera.send("one more")
    until(lambda: camera.pool.free_slots and State.KEPT not in camera.states())
    camera.take_over()
    assert camera.takes_all()


def test_words_at_random_give_no_picture_of_another_frame(camera: Camera, recorder: Follower) -> None:
    """Headers that lie about lengths and states; a record that names a slot that is none."""
    noise = random.Random(1)
    camera.send("first", b"one")
    (record,) = _read(recorder)
    places = [Word.STATE, Word.GENERATION, Word.REQUEST_BYTES, Word.JOB_BYTES, Word.KEPT_FOR]
    for _ in range(300):
        header = noise.choice(camera.headers)
        header.words[noise.choice(places)] = noise.choice((0, 1, 3, 5, 2**31, 2**63, 2**64 - 1))
        with suppress(ValueError):
            recorder.picture(record)
    picture = record.head.picture
    assert picture is not None
    for slot in (GEOMETRY.slots, 255, 2**31):
        other = Record(record.head._replace(picture=picture._replace(slot=slot)), {}, {}, b"")
        assert recorder.picture(other) is None


def test_one_that_lies_about_what_it_has_done_with_costs_itself_its_pictures(
    camera: Camera, recorder: Follower
) -> None:
    for number in range(50):
        camera.send(str(number), b"x")
        for slot in range(GEOMETRY.slots):
            recorder._page[PageWord.DONE + slot] = random.Random(number + slot).choice((0, number, 2**64 - 1))
        assert camera.takes_all()


def test_frames_can_only_be_read_by_followers(server: House) -> None:
    fd = server.door._frames_fd
    with pytest.raises(OSError, match="Bad file"):
        os.pwrite(fd, b"x", 0)
