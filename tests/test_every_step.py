"""A worker may die between any two steps of a frame: the frame is answered all the same, once, and nothing is left."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from children import processes_pool
from faults import until
from running import write_project

from workers.job import Job
from workers.settings import PoolSettings

STEPS = [
    "workers.channel:Inbox.next:after",  # a descriptor was taken, nothing claimed
    "workers.runner:claim:before",
    "workers.runner:claim:after",
    "workers.runner:Runner._answer:before",
    "workers.task:Inspector.answer:after",
    "workers.task:_write:after",  # the answer is in the reply area, nobody knows
    "workers.runner:Runner._note:after",
    "workers.runner:unlock:before",
    "workers.runner:unlock:after",  # the slot is not locked any more and not DONE yet
    "workers.runner:signal_done:before",  # it is DONE, and its front is not told
    "workers.runner:signal_done:after",
]
SETTINGS = PoolSettings(workers=1, fronts=1, slots=2, max_frame_mib=1, max_reply_mib=1)
# it takes a while: the front waits for its signal by then, and does not find the answer by itself
CODE = """
import time

def main(context):
    time.sleep(0.1)
    context["sum"] = int(context["image"].sum())
"""
DEADLINE_S = 60


@pytest.mark.long
@pytest.mark.parametrize("step", STEPS)
def test_a_worker_that_dies_at_any_step_costs_no_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    folder = write_project(tmp_path / "p", '[[flow]]\nmodule = "code"\nfile = "code/c.py"\n', c=CODE)
    monkeypatch.setenv("DIE_AT", step)
    with processes_pool(folder, SETTINGS) as pool:
        begun = time.monotonic()
        for value in (1, 2, 3):
            deadline_ns = time.monotonic_ns() + DEADLINE_S * 10**9
            with pool.lease(deadline_ns, 1000) as lease:
                lease.area[:32] = bytes([value]) * 32
                reply = lease.run(Job(width=8, height=4, pixel_format="Mono8"), 32)
                assert json.loads(bytes(reply.context))["sum"] == 3 * 32 * value
        assert (folder / "died").exists()
        # whoever waits for a signal that never comes has its answer by the deadline only
        assert time.monotonic() - begun < DEADLINE_S / 2
        until(lambda: pool.free_slots == SETTINGS.slots_per_front)
        until(lambda: pool.control.workers_ready == 1)
