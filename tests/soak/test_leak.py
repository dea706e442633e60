"""A flow that leaks in every frame: its workers are exchanged one by one, below their ceiling, and no frame notices.

LEAK_FRAMES=10000 is a release's figure. The loss is against the same flow that gives its memory back in each frame.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.soak.kit.census import control_words, pids
from tests.soak.kit.run import Run, chaos
from tests.support.faults import until
from workers.memory.control import Control

FRAMES = int(os.environ.get("LEAK_FRAMES", "2000"))
WORKERS = 2
_TURNS = 4  # with and without the leak in turn: other work on the machine hits both
_LOOK_S = 0.01
_MOST_LOSS = 0.05
_NOISE = 0.1  # of a rate that is measured for some seconds on a machine that does other things as well

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300 + FRAMES)]


@dataclass(slots=True)
class Seen:
    """The most memory that any worker had, the fewest workers that took frames, the most that lived at once."""

    highest_mib: float = 0.0
    fewest_ready: int = WORKERS
    most_alive: int = 0
    looks: int = 0

    def look(self, supervisor: int) -> None:
        workers = pids(supervisor, "worker")
        self.highest_mib = max(self.highest_mib, *map(_private_mib, workers), 0.0)
        self.fewest_ready = min(self.fewest_ready, control_words(supervisor)[Control.WORKERS_READY])
        self.most_alive = max(self.most_alive, len(workers))
        self.looks += 1


def _private_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # it has just gone
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), 0.0)


@contextmanager
def _looking(supervisor: int) -> Iterator[Seen]:
    seen, over = Seen(), threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_S):
            seen.look(supervisor)

    looker = threading.Thread(target=look)
    looker.start()
    try:
        yield seen
    finally:
        over.set()
        looker.join()


def _per_s(run: Run, asks: str, frames: int) -> float:
    """How many of these frames are answered a second, where each camera sends its next as soon as it has an answer."""
    with run.cameras(per_s=10_000, large_every=0, choose=lambda _: asks) as cameras:
        until(lambda: len(cameras.answers) >= 20)
        begun_s, before = time.monotonic(), len(cameras.answers)
        give_up_s = begun_s + frames
        while len(cameras.answers) - before < frames and time.monotonic() < give_up_s:
            cameras.run(0.05)
        answered = len(cameras.answers) - before
    run.expect(answered >= frames, f"only {answered} of {frames} frames were answered")
    return answered / (time.monotonic() - begun_s)


@pytest.mark.parametrize(("leak_mib", "ceiling_mib", "most_loss"), [(1, 1024, _MOST_LOSS), (10, 640, 0.5)])
def test_leaking_workers_stay_below_their_ceiling_and_go_one_by_one(
    tmp_path: Path, leak_mib: int, ceiling_mib: int, most_loss: float
) -> None:
    env = {"FRAMEMILL_WORKER_MEMORY_MIB": str(ceiling_mib)}
    name = f"{leak_mib} MiB leak in each frame"
    with chaos(name, tmp_path, "--workers", str(WORKERS), env=env, census=False) as run:
        leaking, giving_back = [], []
        with _looking(run.supervisor) as seen:
            for _ in range(_TURNS):
                giving_back.append(_per_s(run, f"spend:{leak_mib}", FRAMES // _TURNS))
                leaking.append(_per_s(run, f"leak:{leak_mib}", FRAMES // _TURNS))
        recycled = control_words(run.supervisor)[Control.RECYCLED]
        loss = 1 - sum(leaking) / sum(giving_back)
        run.figures |= {"recycled": recycled, "ceiling_mib": ceiling_mib, "highest_mib": round(seen.highest_mib)}
        run.figures |= {"fewest_ready": seen.fewest_ready, "most_alive": seen.most_alive, "looks": seen.looks}
        run.figures |= {"per_s": round(sum(leaking) / _TURNS), "loss": round(loss, 3)}
        run.expect(recycled > 0, "no worker was exchanged: this test tests nothing")
        run.expect(seen.highest_mib <= ceiling_mib, f"a worker had {seen.highest_mib:.0f} MiB")
        run.expect(seen.fewest_ready >= WORKERS - 1, "more than one worker was out at once")
        run.expect(loss <= most_loss + _NOISE, f"{loss:.1%} of the frames a second were lost")
        run.check_losses()
        run.expect(run.status()["workers"]["deaths"] == 0, "a worker died")
