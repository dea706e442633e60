"""What it takes of a front to have a frame on record, and of a follower to read it: `python -m bench.results_cost`.

CPU time of this process, the least of several rounds, with a context of a usual size.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import orjson

from service.results.files import ResultsFiles
from service.results.publish import RingPublisher
from service.results.reading import RingReader
from service.results.record import Record, about_bytes
from service.results.ring import RingWriter
from service.results.seats import Desk, PageWord, Sleepers, map_page
from service.results.story import Story
from workers.pool.reply import Reply, Timings

_FRAMES = 10_000
_ROUNDS = 9


def _context(rectangles: int) -> bytes:
    name = {"id": 1 << 42, "label": "scratch", "confidence": 0.93, "color": "#ff0000", "color_bgr": [0, 0, 255]}
    rectangle = {"x": 10, "y": 20, "width": 30, "height": 40, "rotate": 0.0, "area": 1200.0, "confidence": 0.93}
    found = [{"id": number, **rectangle, "classNames": [name]} for number in range(rectangles)]
    return orjson.dumps({"error": False, "result": False, "score": 0.31, "detectedRectangles": found, "stdout": ""})


def _least_us(step: Callable[[], None], count: int) -> float:
    found = []
    for _ in range(_ROUNDS):
        begun_ns = time.process_time_ns()
        for _ in range(count):
            step()
        found.append((time.process_time_ns() - begun_ns) / count / 1000)
    return min(found)


def main() -> None:
    """Measure, and print a line for each case."""
    files = ResultsFiles.create(1, 8)
    plan = files.plan
    control = memoryview(bytearray(4096)).cast("Q")
    publisher = RingPublisher(
        RingWriter(plan.rings[0]), Sleepers(plan.pages, plan.wakes, plan.read_desk), control, lambda: None
    )
    about = about_bytes("camera-3", "camera-3", "4711-000123", "order 12")
    lease: Any = None  # nobody wants pictures here

    def publishes(context: bytes) -> Callable[[], None]:
        reply = Reply(memoryview(context), 0, Timings(1, 2, 3, 4), verdict=False)

        def publish() -> None:
            story = Story("camera-3", time.monotonic_ns(), about)
            story.came_ns, story.slot = 1, 3
            publisher.answered(story, reply, lease)

        return publish

    for rectangles in (0, 4, 40):
        context = _context(rectangles)
        us = _least_us(publishes(context), _FRAMES)
        print(f"on record, a context of {len(context):6} bytes: {us:5.1f} us")
    seat = Desk(files.seats).take("bench", os.getpid())
    assert seat is not None
    page = map_page(plan.pages[seat])
    publish = publishes(_context(4))

    def publish_to_a_sleeper() -> None:
        page[PageWord.ASLEEP] = 1
        publish()

    print(f"on record, a follower to be woken:        {_least_us(publish_to_a_sleeper, _FRAMES):5.1f} us")
    reader = RingReader(files.rings[0].read_fd)

    def read() -> None:
        raw = reader.next()
        if raw is None:
            reader.begin_with_oldest()
        else:
            Record.unpack(raw.packed)

    print(f"read by a follower:                       {_least_us(read, _FRAMES):5.1f} us")


if __name__ == "__main__":
    main()
