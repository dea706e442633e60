"""The recorder is killed at each of its steps: each frame is there once, each picture whole or told as lost."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from service.history.before_answer.asking import Asking
from service.history.before_answer.asks import make_pairs
from service.history.before_answer.publisher import RecordedPublisher
from service.history.pictures.folder import pictures_in
from service.history.pictures.rows import WAITING
from service.history.places.place import sqlite_in
from service.own_errors import NotRecorded
from service.results.record import about_bytes
from service.results.ring import RingWriter
from service.results.seats import Wants
from service.results.story import Story
from tests.history.kept import rows
from tests.history_under_faults.loaded import check_pictures
from tests.history_under_faults.steps import Recorders, ask_to_end, has_ended, parts_left
from tests.results.house import House, house
from tests.results.test_pictures import Camera
from tests.support.faults import until
from workers.memory.slot import State
from workers.pool.job import Job

_MOST_NS = 30_000_000_000
_HURRY_NS = 50_000_000  # less than a recorder takes that is started anew
_AT_ONCE = 3


class _Front(Camera):
    """Sends frames, each of its own pixels; `sent` has them by their parts."""

    def __init__(self, server: House) -> None:
        super().__init__(server)
        self.sent: dict[str, bytes] = {}

    def begin(self) -> list[threading.Thread]:
        """Send some; they may wait for a recorder. Returns what is to be joined."""
        for _ in range(_AT_ONCE):
            self.send(*self._next())
        return []

    def is_wanted(self) -> bool:
        """Whether a picture of the next frame would stay."""
        return bool(self.publisher._sleepers.who_wants(verdict=True, context=memoryview(b"{}")).by)

    def in_database(self) -> set[str]:
        """The parts that must be in the database, whoever was killed when."""
        return set()

    def ends_of_all(self) -> dict[str, int]:
        """How each frame that was sent ended."""
        return dict.fromkeys(self.sent, 200)

    def _next(self) -> tuple[str, bytes]:
        number = len(self.sent)
        part, frame = str(number), number.to_bytes(6)
        self.sent[part] = frame
        return part, frame


class _WaitingFront(_Front):
    """One whose answers wait for their records; one of two is in a hurry, and may be an error."""

    def __init__(self, server: House, asking: Asking) -> None:
        self._asking = asking
        self.ended: dict[str, int] = {}
        super().__init__(server)

    def take_over(self) -> None:
        """See Camera."""
        super().take_over()
        ring, sleepers = RingWriter(self.server.files.rings[0].fd), self.server.new_sleepers()
        self.publisher = RecordedPublisher(ring, sleepers, self.server.control, lambda: None, self._asking)

    def begin(self) -> list[threading.Thread]:
        """See above."""
        if len(self.ended) < len(self.sent):  # those wait still, and have all the slots that there are
            return []
        both = [(self._next()[0], within_ns) for within_ns in (_MOST_NS, _HURRY_NS)]
        threads = [threading.Thread(target=self.ask, args=one) for one in both]
        for thread in threads:
            thread.start()
        return threads

    def in_database(self) -> set[str]:
        """See above."""
        return {part for part, status in [*self.ended.items()] if status == 200}

    def ends_of_all(self) -> dict[str, int]:
        """See above."""
        return self.ended

    def ask(self, part: str, within_ns: int) -> None:
        """Have a frame inspected and wait for its record; what became of it is in `ended`."""
        frame = self.sent[part]
        with self.pool.lease(time.monotonic_ns() + within_ns, 60_000) as lease:
            lease.area[: len(frame)] = frame
            reply = lease.run(Job(data=part, width=2, height=3, pixel_format="Mono8"), len(frame))
            story = Story("camera", time.monotonic_ns(), about_bytes("camera", "camera", part, ""))
            story.came_ns, story.slot = lease.came_ns, lease.slot
            try:
                self.publisher.before(story, reply, lease)
            except NotRecorded as error:
                self.ended[part] = 503
                self.publisher.failed(story, error)
            else:
                self.ended[part] = 200
                self.publisher.answered(story, reply, lease)


@contextmanager
def _recorded(folder: Path, kind: str) -> Iterator[tuple[_Front, Recorders]]:
    with house(folder, fronts=1) as server:
        if kind == "async":
            recorders = Recorders(server)
            yield _Front(server), recorders
            recorders.close()
            return
        pairs = make_pairs(1)
        asking, recorders = Asking(pairs.fronts[0]), Recorders(server, pairs.recorder)
        yield _WaitingFront(server, asking), recorders
        recorders.close()
        pairs.recorder[0].close()
        asking.hears.join()
        pairs.fronts[0].close()


def _is_all_there(path: Path, front: _Front) -> bool:
    try:
        ((frames, settled),) = rows(path, _SETTLED)
    except sqlite3.OperationalError:  # it has no tables yet
        return False
    return bool(len(front.ends_of_all()) == len(front.sent) == frames == settled)


_SETTLED = f"""
SELECT count(*), count(*) FILTER (WHERE r.status <> 200 OR p.lost IS NULL OR p.lost <> '{WAITING}')
FROM records r LEFT JOIN pictures p ON p.record = r.number
WHERE r.status <> 200 OR p.record IS NOT NULL
"""


def _work(front: _Front, recorders: Recorders, path: Path, last_step: int) -> bool:
    """Let a recorder work until all is there, or its last step; whether it was killed at that."""
    pid, status = recorders.start(last_step), None

    def has_gone() -> bool:
        nonlocal status
        status = has_ended(pid) if status is None else status
        return status is not None

    until(lambda: has_gone() or front.is_wanted())
    waiting = front.begin()
    until(lambda: has_gone() or _is_all_there(path, front))
    if status is None:
        status = ask_to_end(pid)
    if not os.WIFSIGNALED(status):
        assert os.waitstatus_to_exitcode(status) == 0
        for thread in waiting:
            thread.join()
        return False
    assert os.WTERMSIG(status) == signal.SIGKILL
    known = {part for (part,) in rows(path, "SELECT part FROM records WHERE status = 200")}
    assert front.in_database() <= known  # at once: nobody has gone on yet
    assert not _work(front, recorders, path, 0)
    for thread in waiting:
        thread.join()
    return True


def _check(front: _Front, path: Path, folder: Path) -> None:
    assert dict(rows(path, "SELECT part, status FROM records")) == front.ends_of_all()
    assert rows(path, "SELECT part FROM records GROUP BY part HAVING count(*) > 1") == []
    assert rows(path, "SELECT * FROM unknown") == []
    ended = [*front.ends_of_all().values()]
    assert rows(path, "SELECT sum(ok), sum(error) FROM quarters") == [(ended.count(200), ended.count(503))]
    check_pictures(path, folder)
    files = rows(path, "SELECT part, file FROM records r JOIN pictures p ON p.record = r.number WHERE file IS NOT NULL")
    for part, file in files[-2 * _AT_ONCE :]:
        found = cv2.imdecode(np.frombuffer((folder / file).read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
        assert found is not None
        assert found.tobytes() == front.sent[part]


def test_a_frame_that_could_not_be_recorded_holds_no_slot_for_its_picture(tmp_path: Path) -> None:
    with _recorded(tmp_path, "before_answer") as (front, _), front.server.follow_as_program("pictures") as follower:
        assert isinstance(front, _WaitingFront)
        follower.want_pictures(Wants.OK)
        for number in range(2 * _AT_ONCE):
            part = str(number)
            front.sent[part] = b"pixels"
            front.ask(part, _HURRY_NS)  # there is no recorder
        assert {*front.ends_of_all().values()} == {503}
        assert State.KEPT not in front.states()
        assert front.takes_all()


@pytest.mark.long
@pytest.mark.parametrize("kind", ["async", "before_answer"])
def test_killed_at_any_step_each_frame_is_there_once_and_each_picture_is_known(tmp_path: Path, kind: str) -> None:
    path, folder = sqlite_in(tmp_path), pictures_in(tmp_path)
    with _recorded(tmp_path, kind) as (front, recorders):
        assert not _work(front, recorders, path, 0)  # it makes the database
        steps = 1
        while _work(front, recorders, path, steps):
            _check(front, path, folder)
            steps += 1
        _check(front, path, folder)
        assert steps > 40
        left = parts_left(folder)
        assert left  # halves of those at which it was killed
        for one in left:
            os.utime(one, (0, 0))
        assert not _work(front, recorders, path, 0)
        assert parts_left(folder) == []
        ((kept,),) = rows(path, "SELECT count(*) FROM pictures WHERE file IS NOT NULL")
        assert kept > steps
