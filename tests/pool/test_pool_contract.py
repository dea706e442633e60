"""What a front may rely on, the same for the worker processes and for the inline pool."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.children import processes_pool
from tests.support.faults import until
from tests.support.pictures import decoded
from tests.support.running import write_project
from workers.errors import (
    DeadlineExceeded,
    FrameSizeMismatch,
    FrameTooLarge,
    ImageUnsupported,
    NoFreeSlot,
    NoLastImage,
)
from workers.flow.project import load_project
from workers.memory.control import FrontRow, WorkerRow
from workers.memory.slot import Word
from workers.pool import exchange
from workers.pool.job import Encoding, Job, ResponseType, Task
from workers.pool.pool import Pool
from workers.settings import PoolSettings
from workers.worker.inline_pool import InlinePool

CODE = """
def main(context):
    context["seen"] = [context["data"], int(context["image"].sum(dtype="uint64"))]
    context["image"][0, 0] = 255
    if context["data"] == "defect":
        context["result"] = False
"""
SETTINGS = PoolSettings(workers=2, fronts=1, slots=3, max_frame_mib=1, max_reply_mib=2)


@pytest.fixture(params=["inline", "processes", "processes, without exchange.c"])
def pool(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    folder = write_project(tmp_path / "p", '[[flow]]\nmodule = "code"\nfile = "code/c.py"\n', c=CODE)
    if request.param == "inline":
        made = InlinePool(load_project(folder), SETTINGS)
        yield made
        made.close()
    else:
        if "without" in request.param:
            monkeypatch.setattr(exchange, "_exchange", None)
        with processes_pool(folder, SETTINGS) as outside:
            yield outside


def soon(seconds: float = 30) -> int:
    return time.monotonic_ns() + int(seconds * 1e9)


def run(pool: Pool, value: int, **changes: Any) -> tuple[bytes, dict[str, Any]]:
    """Send a grey frame of 20 x 10 px; returns the picture and the context."""
    job = Job(**{"width": 20, "height": 10, "pixel_format": "Mono8", **changes})
    with pool.lease(soon(), 1000) as lease:
        lease.area[:200] = bytes([value]) * 200
        reply = lease.run(job, 200)
        return bytes(reply.picture), json.loads(bytes(reply.context))


def test_an_answer_holds_the_context_of_its_frame(pool: Pool) -> None:
    for value in range(20):
        picture, context = run(pool, value, data=f"frame {value}")
        assert picture == b""
        assert context["seen"] == [f"frame {value}", 3 * 200 * value]


def test_a_picture_comes_in_front_of_its_context(pool: Pool) -> None:
    picture, context = run(pool, 9, response=ResponseType.IMAGE)
    assert picture.startswith(b"\x89PNG")
    assert context["imageShape"] == {"height": 10, "width": 20}


def test_the_verdict_is_known_without_reading_the_context(pool: Pool) -> None:
    for data, verdict in (("good", True), ("defect", False)):
        with pool.lease(soon(), 1000) as lease:
            lease.area[:200] = bytes(200)
            job = Job(width=20, height=10, pixel_format="Mono8", data=data)
            assert lease.run(job, 200).verdict is verdict


def test_measuring_does_not_run_the_flow(pool: Pool) -> None:
    _, context = run(pool, 1, task=Task.MEASURE)
    assert context.pop("processingTime") >= 0
    assert context == {"error": False, "imageShape": {"height": 10, "width": 20}, "processing": False, "save": False}


@pytest.mark.parametrize(
    ("job", "size", "error"),
    [
        (Job(encoding=Encoding.ENCODED), 200, ImageUnsupported),
        (Job(width=20, height=11, pixel_format="Mono8"), 200, FrameSizeMismatch),
        (Job(width=20, height=10, pixel_format="Mono8"), (1 << 20) + 1, FrameTooLarge),
    ],
)
def test_an_error_comes_back_as_what_it_was_and_its_slot_too(
    pool: Pool, job: Job, size: int, error: type[Exception]
) -> None:
    for _ in range(SETTINGS.slots_per_front + 2):
        with pytest.raises(error), pool.lease(soon(), 1000) as lease:
            lease.run(job, size)
    assert pool.free_slots == SETTINGS.slots_per_front + 1


def test_a_slot_comes_back_when_its_frame_never_came(pool: Pool) -> None:
    for _ in range(10):
        with pytest.raises(RuntimeError, match="the client left"), pool.lease(soon(), 1000):
            raise RuntimeError("the client left")
    assert pool.free_slots == SETTINGS.slots_per_front + 1


def test_when_all_slots_are_taken_the_next_is_refused(pool: Pool) -> None:
    leases = [pool.lease(soon(), 0) for _ in range(SETTINGS.slots_per_front + 1)]
    for lease in leases:
        lease.__enter__()
    with pytest.raises(NoFreeSlot), pool.lease(soon(), 20):
        pass
    for lease in leases:
        lease.__exit__(None, None, None)
    run(pool, 1)


def test_slots_go_to_those_who_wait_in_their_order(pool: Pool) -> None:
    leases = [pool.lease(soon(), 0) for _ in range(SETTINGS.slots_per_front + 1)]
    came: list[int] = []

    def wait(number: int) -> None:
        with pool.lease(soon(), 30_000):
            came.append(number)

    waiting = [threading.Thread(target=wait, args=(number,)) for number in range(6)]
    for count, thread in enumerate(waiting, 1):
        thread.start()
        until(lambda count=count: len(pool._waiting) == count)  # type: ignore[misc]  # bound now, not when called
    with pytest.raises(NoFreeSlot), pool.lease(soon(), 0):
        pass
    leases[0].__exit__(None, None, None)  # from now on it goes from hand to hand
    for thread in waiting:
        thread.join()
    assert came == list(range(6))
    for lease in leases[1:]:
        lease.__exit__(None, None, None)
    assert pool.free_slots == len(leases)


def test_who_gives_up_line_leaves_nothing_behind(pool: Pool) -> None:
    leases = [pool.lease(soon(), 0) for _ in range(SETTINGS.slots_per_front + 1)]
    with pytest.raises(NoFreeSlot), pool.lease(soon(), 30):
        pass
    for lease in leases:
        lease.__exit__(None, None, None)
    assert pool.free_slots == len(leases)
    run(pool, 1)


def test_who_waits_for_a_slot_gets_the_one_that_comes_back(pool: Pool) -> None:
    leases = [pool.lease(soon(), 0) for _ in range(SETTINGS.slots_per_front + 1)]
    for lease in leases:
        lease.__enter__()
    got = threading.Event()

    def wait() -> None:
        with pool.lease(soon(), 30_000):
            got.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    leases[1].__exit__(None, None, None)
    assert got.wait(30)
    waiting.join()
    leases[0].__exit__(None, None, None)
    leases[2].__exit__(None, None, None)
    leases[3].__exit__(None, None, None)


def test_a_frame_whose_deadline_has_passed_is_not_inspected(pool: Pool) -> None:
    with pytest.raises(DeadlineExceeded), pool.lease(soon(-1), 1000) as lease:
        lease.run(Job(width=20, height=10, pixel_format="Mono8"), 200)
    run(pool, 3)


def _show(pool: Pool, response: ResponseType) -> tuple[bytes, bytes]:
    with pool.lease(soon(), 1000) as lease:
        reply = lease.run(Job(task=Task.SHOW, response=response), 0)
        return bytes(reply.picture), bytes(reply.context)


def test_the_last_frame_can_be_shown_again_with_what_the_flow_made_of_it(pool: Pool) -> None:
    assert pool.control.newest_done_ns == 0
    with pytest.raises(NoLastImage):
        _show(pool, ResponseType.IMAGE)
    for value in range(5):
        picture, context = run(pool, value, response=ResponseType.IMAGE)
        for _ in range(2):
            shown, shown_context = _show(pool, ResponseType.IMAGE)
            assert shown == picture
            assert json.loads(shown_context) == context


def test_the_last_frame_is_shown_whole_while_newer_ones_replace_it_all_the_time(pool: Pool) -> None:
    run(pool, 1)
    over = threading.Event()
    posted: list[int] = []

    def camera(value: int) -> None:
        while not over.is_set():
            run(pool, value)
            posted.append(value)

    cameras = [threading.Thread(target=camera, args=(value,)) for value in (7, 200)]
    for thread in cameras:
        thread.start()
    try:
        shown = [_show(pool, ResponseType.IMAGE) for _ in range(100)]
        until(lambda: len(posted) > 100)
    finally:
        over.set()
        for thread in cameras:
            thread.join()
    for picture, context in shown:
        assert set(np.unique(decoded(picture)[1:])) == {json.loads(context)["seen"][1] // 600}
    until(lambda: pool.free_slots == SETTINGS.slots_per_front)
    assert _show(pool, ResponseType.CONTEXT)


def test_a_frame_that_a_worker_draws_again_is_left_alone_and_one_whose_worker_died_is_not(pool: Pool) -> None:
    run(pool, 1)
    row = pool.control.workers[0]
    held = pool.row[FrontRow.LAST_SLOT]
    row[WorkerRow.SHOWS], pool._headers[held].words[Word.WATCHED] = held + 1, 1
    for value in range(20):
        run(pool, value)
    assert pool.free_slots == SETTINGS.slots_per_front - 1
    pid, row[WorkerRow.PID] = row[WorkerRow.PID], 0
    assert pool.free_slots == SETTINGS.slots_per_front
    row[WorkerRow.PID] = pid


def test_many_threads_get_their_own_answers(pool: Pool) -> None:
    wrong: list[object] = []

    def camera(first: int) -> None:
        for number in range(first, first + 50):
            value = number % 256
            _, context = run(pool, value, data=str(number))
            if context["seen"] != [str(number), 600 * value]:
                wrong.append((number, context["seen"]))

    cameras = [threading.Thread(target=camera, args=(first,)) for first in range(0, 300, 50)]
    for thread in cameras:
        thread.start()
    for thread in cameras:
        thread.join()
    assert wrong == []


def test_no_descriptor_is_left_open(pool: Pool) -> None:
    run(pool, 1)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a kernel table
    for value in range(30):
        run(pool, value)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - as above


def test_a_frame_of_the_largest_size_fits(pool: Pool) -> None:
    with pool.lease(soon(), 1000) as lease:
        lease.area[:] = bytes(len(lease.area))
        reply = lease.run(Job(width=1024, height=1024, pixel_format="Mono8"), 1 << 20)
        assert json.loads(bytes(reply.context))["imageShape"] == {"height": 1024, "width": 1024}
    assert np.frombuffer(lease.area, np.uint8).size == 1 << 20
