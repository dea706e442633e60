"""A frame whose time is over while a module is at work gets no answer but that, whichever kind of module it is.

Modules look at the time between their steps (Run.look_at_time); a kind that comes does, or says here why it need not.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from bench.frames import Image, board
from bench.module_examples import write_example
from workers.context.run import Run
from workers.errors import DeadlineExceeded
from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.flow.registry import OURS
from workers.pool.job import Encoding, Job
from workers.settings import PoolSettings
from workers.trying.loaded import LoadedProject

_NEED_NOT = {
    "code": "nobody can ask in place of a project's code: its process is ended",
    "only_if": "an expression of bounded length over values: no pixel is looked at",
}
_TIMES = {"timings", "frame", "processingTime", "completeTime"}


class _Clock:
    """Counts how often a frame's time is looked at; from the look `over_at` on it is over."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looks, self.over_at = 0, 0
        look_at_time = Run.look_at_time

        def look(run: Run) -> None:
            self.looks += 1
            if self.looks == self.over_at:
                run.deadline_ns = time.monotonic_ns()
            look_at_time(run)

        monkeypatch.setattr(Run, "look_at_time", look)

    def from_now_on(self, over_at: int) -> None:
        self.looks, self.over_at = 0, over_at


@pytest.mark.parametrize("kind", OURS)
def test_every_module_looks_at_the_time_between_its_steps(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, image = _Clock(monkeypatch), board(480, 256)
    write_example(kind, tmp_path, image)
    project = tmp_path / "framemill.toml"
    project.write_text(project.read_text().replace("time_ms = 100", "time_ms = 60000"))  # as many attempts each time
    cv2.rectangle(image, (200, 100), (240, 120), (0, 0, 255), -1)  # something to be found
    flow = Flow.prepare(load_project(tmp_path))
    first = _answer(flow, image)
    looks = clock.looks
    if kind in _NEED_NOT:
        assert looks == 0, f"it looks at the time: it needs no reason any more ({_NEED_NOT[kind]})"
        return
    assert looks >= 2
    for over_at in sorted({1, (looks + 1) // 2, looks}):
        clock.from_now_on(over_at)
        with pytest.raises(DeadlineExceeded, match=r"was over while module \d+ \(.+\) was at work"):
            _answer(flow, image)
        clock.from_now_on(0)
        assert _answer(flow, image) == first  # nothing is left of the frame that was broken off
    flow.stop()


def test_no_reason_is_there_for_a_kind_that_is_not() -> None:
    assert _NEED_NOT.keys() < OURS.keys()


def _answer(flow: Flow, image: Image) -> Any:
    context = flow.run(image, data="", deadline_ns=2**62).context
    return json.loads(json.dumps({key: value for key, value in context.items() if key not in _TIMES}, default=_told))


def _told(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else repr(value)


@pytest.mark.parametrize("kind", OURS)
def test_time_that_ends_within_a_module_ends_the_frame(tmp_path: Path, kind: str) -> None:
    image = board(960, 512)
    loaded = LoadedProject.load(load_project(write_example(kind, tmp_path, image)), PoolSettings())
    job = Job(encoding=Encoding.ENCODED)
    file = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 0])[1].tobytes()
    loaded.inspect(job, file)  # what is made once is made
    took_ns = min(_took_ns(loaded, job, file) for _ in range(3))
    loaded._run_ns = took_ns // 4
    with pytest.raises(DeadlineExceeded):
        loaded.inspect(job, file)
    loaded._run_ns = 60_000_000_000
    assert loaded.inspect(job, file).context  # the next frame is as any


def _took_ns(loaded: LoadedProject, job: Job, file: bytes) -> int:
    begun_ns = time.monotonic_ns()
    loaded.inspect(job, file)
    return time.monotonic_ns() - begun_ns
