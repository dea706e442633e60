"""The supervisor's and the fronts' ends of results in this process, for followers of a test."""

from __future__ import annotations

import os
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from service.results.door import Door
from service.results.files import ResultsFiles
from service.results.follow import Follower, Start
from service.results.publish import RingPublisher
from service.results.record import about_bytes
from service.results.ring import RingWriter
from service.results.seats import Follows, Sleepers, followers
from service.results.story import Story
from workers.memory.arena import create_arena
from workers.memory.layout import Geometry
from workers.pool.reply import Reply, Timings

GEOMETRY = Geometry(fronts=1, workers=1, slots_per_front=2, request_bytes=4096, reply_bytes=4096, kept_per_front=2)
CONTEXT = b'{"result":true,"score":0.5,"save":false}'


class NoLease:
    """A lease for tests that have no slots."""

    slot = 0

    def stay(self, followers: int, *, is_urgent: bool = True) -> int:
        """Nothing stays."""
        del followers, is_urgent
        return 0


class House:
    """A server as far as results go: a door with its loop, and `fronts` publishers."""

    def __init__(self, folder: Path, fronts: int = 2, mib: int = 1) -> None:
        self.folder = folder
        self.files = ResultsFiles.create(fronts, mib)
        self.arena = create_arena(GEOMETRY)
        self.door = Door(self.files, folder)
        self.left_out = 0
        self.control = memoryview(bytearray(4096)).cast("Q")
        self.sleepers = [self.new_sleepers() for _ in range(fronts)]
        self.publishers = [self.new_front(front) for front in range(fronts)]
        self._selector = selectors.DefaultSelector()
        self._ours, self._theirs = socket.socketpair()
        self._selector.register(self._ours, selectors.EVENT_READ, None)
        self.door.attend(self._selector, self.arena)
        self.door.open()
        self._loop = threading.Thread(target=self._run)
        self._loop.start()

    def new_sleepers(self) -> Sleepers:
        """What a front begins with."""
        plan = self.files.plan
        return Sleepers(plan.pages, plan.wakes, plan.read_desk)

    def new_front(self, front: int) -> RingPublisher:
        """A front that takes over."""
        return RingPublisher(
            RingWriter(self.files.rings[front].fd), self.sleepers[front], self.control, self._count_left_out
        )

    def _count_left_out(self) -> None:
        self.left_out += 1

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                if self._selector.get_map().get(key.fd) is key:
                    key.data()

    def answer(self, part: str, front: int = 0, context: bytes = CONTEXT, *, verdict: bool | None = True) -> None:
        """Tell of a frame that has its answer."""
        reply = Reply(memoryview(context), 0, Timings(1, 2, 3, 4), verdict)
        lease: Any = NoLease()
        self.publishers[front].answered(_story(part), reply, lease)

    def fail(self, error: Exception, *, client: str = "10.0.0.9", slot: int = -1, is_refused: bool = False) -> None:
        """Tell of a frame that has none."""
        story = Story(client, time.monotonic_ns())
        story.slot, story.came_ns = slot, time.time_ns()
        self.publishers[0].failed(story, error, is_refused=is_refused)

    def follow(self, name: str = "test", start: Start = Start.NOW) -> Follower:
        """Come in by the door."""
        return Follower.of(self.folder, name, start)

    def follow_as_program(self, name: str = "program", start: Start = Start.NOW) -> Follower:
        """Come in as a program of ours, which has inherited its end of the connection."""
        return Follower(socket.socket(fileno=os.dup(self.door.for_program(name))), name, start)

    def seen(self) -> dict[str, Follows]:
        """Followers as status has them."""
        plan = self.files.plan
        committed = [RingWriter(fd)._sequence for fd in plan.rings]
        return {one.name: one for one in followers(plan.pages, plan.read_desk, committed)}

    def end(self) -> None:
        """End the loop; whoever is in sees the end of the connection."""
        self._theirs.send(b"x")
        self._loop.join()
        self.door.close()
        for key in [*self._selector.get_map().values()]:
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._selector.close()
        self._theirs.close()
        seats = self.files.seats
        for fd in (*seats.pages, *seats.wakes, seats.desk, seats.read_desk, *sum(self.files.rings, ()), self.arena.fd):
            os.close(fd)
        os.close(self.door._frames_fd)


def _story(part: str) -> Story:
    story = Story("10.0.0.9", time.monotonic_ns(), about_bytes("10.0.0.9", "camera-1", part, ""))
    story.came_ns, story.slot = time.time_ns(), 1
    return story


@contextmanager
def house(folder: Path, fronts: int = 2, mib: int = 1) -> Iterator[House]:
    """One, until the end of the block."""
    made = House(folder, fronts, mib)
    try:
        yield made
    finally:
        made.end()


def parts(follower: Follower) -> list[str]:
    """The parts of all frames that are there to be read."""
    found: list[str] = []
    while follower.behind:
        found += [record.about["part"] for record in follower.read()]
    return found
