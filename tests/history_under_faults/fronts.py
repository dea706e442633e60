"""A front that sends frames, and recorders behind it that are killed at one of their steps; what must be there then."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import cv2
import numpy as np

from service.history.before_answer.asking import Asking
from service.history.before_answer.asks import make_pairs
from service.history.before_answer.publisher import RecordedPublisher
from service.history.pictures.rows import WAITING
from service.own_errors import NotRecorded
from service.results.record import about_bytes
from service.results.ring import RingWriter
from service.results.story import Story
from tests.history.kept import rows
from tests.history_under_faults.loaded import check_pictures, files_in
from tests.history_under_faults.steps import Limits, Recorders
from tests.results.house import House, house
from tests.results.test_pictures import Camera
from tests.support.faults import until
from workers.pool.job import Job

_MOST_NS = 30_000_000_000
HURRY_NS = 50_000_000  # less than a recorder takes that is started anew
_AT_ONCE = 3


class Front(Camera):
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


class WaitingFront(Front):
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
        both = [(self._next()[0], within_ns) for within_ns in (_MOST_NS, HURRY_NS)]
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
def recorded(folder: Path, limits: Limits, *, waits: bool = False) -> Iterator[tuple[Front, Recorders]]:
    """A front, which `waits` for records or does not, and recorders, of which none is started yet."""
    with house(folder, fronts=1) as server:
        if not waits:
            with closing(Recorders(server, limits)) as recorders:
                yield Front(server), recorders
            return
        pairs = make_pairs(1)
        asking = Asking(pairs.fronts[0])
        try:
            with closing(Recorders(server, limits, pairs.recorder)) as recorders:
                yield WaitingFront(server, asking), recorders
        finally:
            pairs.recorder[0].close()
            asking.hears.join()
            pairs.fronts[0].close()


def _is_all_there(path: Path, front: Front, limits: Limits) -> bool:
    try:
        ((frames, settled, size_bytes, newest),) = rows(path, _SETTLED)
    except sqlite3.OperationalError:  # it has no tables yet
        return False
    wanted = min(len(front.sent), limits.frames or len(front.sent))
    return bool(
        len(front.ends_of_all()) == len(front.sent)
        and wanted == frames == settled
        and size_bytes <= (limits.bytes or size_bytes)
        and newest == len(front.sent) - 1
    )


_SETTLED = f"""
SELECT count(*), count(*) FILTER (WHERE r.status <> 200 OR p.lost IS NULL OR p.lost <> '{WAITING}'),
    sum(coalesce(p.bytes, 0) * (p.file IS NOT NULL)), max(CAST(r.part AS INTEGER))
FROM records r LEFT JOIN pictures p ON p.record = r.number
WHERE r.status <> 200 OR p.record IS NOT NULL
"""


def work(front: Front, recorders: Recorders, path: Path, last_step: int) -> bool:
    """Let a recorder work until all is there, or its last step; whether it was killed at that."""
    recorders.start(last_step)
    until(lambda: recorders.has_ended() or front.is_wanted())
    waiting = front.begin()
    until(lambda: recorders.has_ended() or _is_all_there(path, front, recorders.limits))
    if not recorders.end():
        for thread in waiting:
            thread.join()
        return False
    known = {part for (part,) in rows(path, "SELECT part FROM records WHERE status = 200")}
    assert front.in_database() <= known  # at once: nobody has gone on yet
    assert not work(front, recorders, path, 0)
    for thread in waiting:
        thread.join()
    return True


def check(front: Front, recorders: Recorders, path: Path, folder: Path) -> None:
    """Each frame that is to be there is there, once, as it ended; each picture is whole, or it is known why not."""
    strays = files_in(folder) - {file for (file,) in rows(path, "SELECT file FROM pictures WHERE file IS NOT NULL")}
    if strays := {name for name in strays if not Path(name).name.startswith(".")}:
        # it was killed behind the commit that forgot their frames: they are taken away once they are old
        assert recorders.limits.frames
        for name in strays:
            os.utime(folder / name, (0, 0))
        assert not work(front, recorders, path, 0)
    newest = [*front.ends_of_all()][-recorders.limits.frames :]
    assert dict(rows(path, "SELECT part, status FROM records")) == {part: front.ends_of_all()[part] for part in newest}
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
