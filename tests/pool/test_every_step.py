"""A worker may die, or stop, between any two steps of a frame: it is answered all the same, once; nothing is left."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.children import processes_pool
from tests.support.faults import until
from tests.support.running import write_project
from workers.errors import DeadlineExceeded
from workers.memory.control import Control
from workers.pool.job import Job
from workers.pool.pool import Pool
from workers.settings import PoolSettings

STEPS = [
    "workers.pool.channel:Inbox.next:after",  # a descriptor was taken, nothing claimed
    "workers.worker.runner:claim:before",
    "workers.worker.runner:claim:after",
    "workers.worker.runner:Runner._answer:before",
    "workers.worker.inspector:Inspector.answer:after",
    "workers.worker.inspector:_write:after",  # the answer is in the reply area, nobody knows
    "workers.memory.slot:Header.leave_answer:before",
    "workers.worker.runner:unlock:before",
    "workers.worker.runner:unlock:after",  # the slot is not locked any more and not DONE yet
    "workers.worker.runner:signal_done:before",  # it is DONE, and its front is not told
    "workers.worker.runner:signal_done:after",
]
SETTINGS = PoolSettings(workers=1, fronts=1, slots=2, max_frame_mib=1, max_reply_mib=1)
# it takes a while: the front waits for its signal by then, and does not find the answer by itself
CODE = """
import os, pathlib, time

RUNS = pathlib.Path(os.environ["FRAMEMILL_DATA"], "runs")

def main(context):
    with RUNS.open("ab", buffering=0) as runs:
        runs.write(context["data"].encode() + b"\\n")
    time.sleep(0.03)
    context["sum"] = int(context["image"].sum())
    context["seen"] = context["data"]
"""
# how often each step is met; `make test-long` once, a release a hundred times: STEP_RUNS=100
RUNS = int(os.environ.get("STEP_RUNS", "1"))
FRAMES = 3  # the one that meets it, the one that may have waited behind it, and one that finds all as ever
_KILLED_S = 60.0
_STOPPED_S = 3.5  # a worker that stopped behind its frame is replaced after two


class Camera:
    """Sends frames to the pool, each with a number of its own."""

    def __init__(self, pool: Pool, deadline_s: float) -> None:
        self._pool = pool
        self._deadline_s = deadline_s
        self._number = 0

    def is_answered(self) -> bool:
        """Send a frame; False where its answer is that its deadline passed. Any other must be its own."""
        self._number += 1
        value = self._number % 251
        deadline_ns = time.monotonic_ns() + int(self._deadline_s * 1e9)
        with self._pool.lease(deadline_ns, 1000) as lease:
            lease.area[:32] = bytes([value]) * 32
            try:
                reply = lease.run(Job(width=8, height=4, pixel_format="Mono8", data=str(self._number)), 32)
            except DeadlineExceeded:
                return False
            context = json.loads(bytes(reply.context))
        assert (context["sum"], context["seen"]) == (3 * 32 * value, str(self._number))
        return True


def _meet(step: str, number: signal.Signals, folder: Path, deadline_s: float) -> int:
    """Let a worker meet the signal at this step RUNS times; returns how many frames passed their deadline."""
    overdue = 0
    # the frame that a stopped worker has runs for as long as it may; its deadline alone ends no worker
    run_ms = min(int(1000 * deadline_s), SETTINGS.run_ms)
    with processes_pool(folder, SETTINGS.model_copy(update={"run_ms": run_ms})) as pool:
        camera = Camera(pool, deadline_s)
        for met in range(RUNS):
            (folder / "armed").touch()
            begun_s = time.monotonic()
            overdue += [camera.is_answered() for _ in range(FRAMES)].count(False)
            assert not (folder / "armed").exists(), f"{step} was not met"
            # whoever waits for a signal that never comes has its answer by the deadline only
            assert time.monotonic() - begun_s < deadline_s / 2 or number is signal.SIGSTOP
            assert overdue <= met + 1
            until(lambda: pool.free_slots == SETTINGS.slots_per_front)
            until(lambda met=met: pool.control.words[Control.WORKER_DEATHS] == met + 1)  # type: ignore[misc]
            until(lambda: pool.control.workers_ready == 1)
    runs = Counter((folder / "data" / "runs").read_text().split())
    assert len(runs) >= RUNS * FRAMES - overdue
    assert max(runs.values()) <= 2, runs.most_common(3)
    assert runs.total() - len(runs) <= RUNS
    return overdue


def _project(folder: Path) -> Path:
    project = write_project(folder, '[[flow]]\nmodule = "code"\nfile = "code/c.py"\n', c=CODE)
    (project / "data").mkdir()
    return project


@pytest.mark.long
@pytest.mark.timeout(60 + 30 * RUNS)
@pytest.mark.parametrize("step", STEPS)
def test_a_worker_that_dies_at_any_step_costs_no_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setenv("SIGNAL_AT", step)
    monkeypatch.setenv("SIGNAL", str(int(signal.SIGKILL)))
    assert _meet(step, signal.SIGKILL, _project(tmp_path / "p"), _KILLED_S) == 0


@pytest.mark.long
@pytest.mark.timeout(60 + 30 * RUNS)
@pytest.mark.parametrize("step", STEPS)
def test_a_worker_that_stops_at_any_step_costs_at_most_the_frame_that_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setenv("SIGNAL_AT", step)
    monkeypatch.setenv("SIGNAL", str(int(signal.SIGSTOP)))
    assert _meet(step, signal.SIGSTOP, _project(tmp_path / "p"), _STOPPED_S) <= RUNS
