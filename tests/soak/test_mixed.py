"""Everything at once, for as long as one likes: SOAK_MINUTES of frames while something goes wrong every few seconds.

`make soak` runs two minutes; a release wants hours: SOAK_MINUTES=480 make soak. At the end nothing may have grown.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from tests.soak.kit.cameras import Cameras
from tests.soak.kit.census import at_work, control_words, pids, take_census
from tests.soak.kit.report import quantile_ms
from tests.soak.kit.run import Run, chaos
from tests.support.faults import until
from tests.support.pictures import png
from workers.memory.control import Control

MINUTES = float(os.environ.get("SOAK_MINUTES", "2"))
FAULT_S = 2.5
_HEAD = b"POST /analyze_raw_image?width=1920&height=1024 HTTP/1.1\r\nHost: x\r\nContent-Length: 5898240\r\n\r\n"


def _kill_worker(run: Run, chance: random.Random) -> None:
    os.kill(chance.choice(pids(run.supervisor, "worker")), signal.SIGKILL)


def _stop_worker(run: Run, chance: random.Random) -> None:
    os.kill(chance.choice(at_work(run.supervisor)), signal.SIGSTOP)


def _kill_front(run: Run, chance: random.Random) -> None:
    os.kill(chance.choice(pids(run.supervisor, "front")), signal.SIGKILL)


def _kill_master(run: Run, _: random.Random) -> None:
    os.kill(pids(run.supervisor, "master")[0], signal.SIGKILL)


def _reload(run: Run, _: random.Random) -> None:
    reloads = control_words(run.supervisor)[Control.RELOADS]
    os.kill(run.supervisor, signal.SIGHUP)
    until(lambda: control_words(run.supervisor)[Control.RELOADS] > reloads)


def _leave_in_the_middle(run: Run, chance: random.Random) -> None:
    """Twenty clients send a part of a frame and are gone, half of them by a reset."""
    for number in range(20):
        with socket.create_connection(("127.0.0.1", run.server.port), 10) as connection:
            if number % 2:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(_HEAD + bytes(chance.randrange(100_000)))


@contextmanager
def _slow_clients(port: int) -> Iterator[Callable[[Run, random.Random], None]]:
    """What lets twenty clients begin a request and send no more: the next time, and at the end, they are gone."""
    with ExitStack() as everybody:

        def slow_clients(_: Run, chance: random.Random) -> None:
            everybody.close()
            for _client in range(20):
                connection = everybody.enter_context(socket.create_connection(("127.0.0.1", port), 10))
                connection.sendall((_HEAD + bytes(1000))[: chance.randrange(1, len(_HEAD) + 1000)])

        yield slow_clients


def _damaged_images(run: Run, chance: random.Random) -> None:
    whole = png(np.full((64, 48, 3), 77, np.uint8))
    with run.client() as client:
        for _ in range(20):
            answer = client.post("/analyze_image", content=whole[: chance.randrange(8, len(whole) - 1)])
            run.expect(answer.status_code == 422, f"a damaged image: {answer.status_code} {answer.text}")


def _shared_memory_frames(run: Run, chance: random.Random) -> None:
    segment = Path("/dev/shm") / f"psm_{chance.randrange(1 << 32):08x}"
    value = chance.randrange(1, 250)
    segment.write_bytes(bytes([value]) * (64 * 48 * 3))
    try:
        with run.client() as client:
            for number in range(20):
                data = {"name": segment.name, "width": "64", "height": "48", "data": f"mark:{number}:"}
                answer = client.post("/analyze_image_shared_memory", params=data)
                seen = answer.json().get("seen", {})
                own = (f"mark:{number}:", bytes([value] * 8).hex())
                run.expect((seen.get("data"), seen.get("first")) == own, f"in shared memory: {answer.text}")
    finally:
        segment.unlink()


Fault = Callable[[Run, random.Random], None]
# how often each comes, beside the others; a master's end takes all frames in flight with it, so it is rare
FAULTS: dict[Fault, int] = {
    _kill_worker: 8,
    _stop_worker: 2,
    _kill_front: 2,
    _kill_master: 1,
    _reload: 3,
    _leave_in_the_middle: 4,
    _damaged_images: 3,
    _shared_memory_frames: 3,
}
SLOW_CLIENTS = 3


def _choose(number: int) -> str:
    """Now and then a frame that crashes its worker once, always, or hangs."""
    return {333: "segv-once", 666: "hang", 999: "segv"}.get(number % 1000, "mark")


@dataclass(slots=True)
class Course:
    """How memory and times went on, looked at after each fault: what grows has a slope."""

    minutes: list[float] = field(default_factory=list)
    memory_kib: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)

    def look(self, run: Run, cameras: Cameras, since_s: float) -> None:
        """Note how it is now; times are of the frames that were sent since."""
        now_s = time.monotonic()
        self.minutes.append(now_s / 60)
        self.memory_kib.append(take_census(run.supervisor).private_kib.total())
        good = [answer for answer in cameras.between(since_s, now_s) if answer.status == 200]
        self.p99_ms.append(quantile_ms([answer for answer in good if answer.asked == "mark"], 0.99))

    def slope(self, values: list[float]) -> float:
        """By how much they grow in a minute: the straight line with the least squares, after the first fifth."""
        first = len(values) // 5  # caches and threads come in the beginning
        if len(values) - first < 3:
            return 0.0
        return round(float(np.polyfit(self.minutes[first:], values[first:], 1)[0]), 2)


def _misbehave(run: Run, cameras: Cameras, chance: random.Random, course: Course) -> Counter[str]:
    done: Counter[str] = Counter()
    end_s = time.monotonic() + 60 * MINUTES
    with _slow_clients(run.server.port) as slow_clients:
        faults = {**FAULTS, slow_clients: SLOW_CLIENTS}
        while time.monotonic() < end_s:
            fault, since_s = chance.choices(list(faults), list(faults.values()))[0], time.monotonic()
            fault(run, chance)
            done[fault.__name__.strip("_")] += 1
            cameras.run(FAULT_S)
            until(lambda: run.whole and len(pids(run.supervisor, "front")) == 2)
            course.look(run, cameras, since_s)
    return done


@pytest.mark.soak
@pytest.mark.timeout(int(60 * MINUTES * 2 + 300))
def test_soak_mixed(tmp_path: Path) -> None:
    seed = int(os.environ.get("SOAK_SEED", random.randrange(1 << 32)))
    course = Course()
    with chaos("mixed", tmp_path, "--workers", "3", "--fronts", "2", deadline_ms=4000) as run:
        with run.cameras(choose=_choose) as cameras:
            done = _misbehave(run, cameras, random.Random(seed), course)
        run.faults = done.total()
        run.figures |= {"minutes": MINUTES, "seed": seed, "faults": dict(done)}
        frames = len(cameras.answers)
        run.allow(
            worker_crashed=frames // 1000 + 1,
            deadline_exceeded=frames // 1000 + 1 + 2 * done["stop_worker"],
            cut=8 * (done["kill_front"] + done["kill_master"]),
        )
        halves = run.answers[: frames // 2], run.answers[frames // 2 :]
        run.figures["p99_ms_of_both_halves"] = [quantile_ms(half, 0.99) for half in halves]
        run.figures["memory_kib_per_minute"] = course.slope(course.memory_kib)
        run.figures["p99_ms_per_minute"] = course.slope(course.p99_ms)
        run.figures["memory_kib"] = dict(take_census(run.supervisor).private_kib)
        run.normal = []  # with fronts and masters killed nobody is only a bystander
