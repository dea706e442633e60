"""A frame whose time is over while a module is at work gets no answer but that, whichever kind of module it is."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import pytest

from bench.frames import board
from bench.module_examples import write_example
from workers.errors import DeadlineExceeded
from workers.flow.project import load_project
from workers.flow.registry import OURS
from workers.pool.job import Encoding, Job
from workers.settings import PoolSettings
from workers.trying.loaded import LoadedProject


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
