"""Frames for who looks at them, not for a camera: the last one drawn again, one that was kept inspected again."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from service.analysis.expecting import await_worker
from workers.errors import FrameTooLarge
from workers.pool.job import Job, ResponseType, Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.settings import Settings
    from workers.pool.pool import Pool
    from workers.pool.reply import Reply

_MS_NS = 1_000_000


@contextmanager
def last_frame(pool: Pool, settings: Settings, response: ResponseType) -> Iterator[Reply]:
    """The frame that was answered last, drawn again as `response` has it, for as long as the block lasts."""
    with pool.lease(_due_ns(settings), settings.queue_ms) as lease:
        yield lease.run(Job(task=Task.SHOW, response=response), 0)


@contextmanager
def inspected_again(pool: Pool, settings: Settings, job: Job, frame: bytes, client: str) -> Iterator[Reply]:
    """A frame that was kept, inspected for `client` by the version that runs; no part is counted or told of."""
    await_worker(pool, settings)
    if len(frame) > pool.request_bytes:
        raise FrameTooLarge(f"the frame has {len(frame)} bytes, at most {pool.request_bytes} are accepted")
    with pool.lease(_due_ns(settings), settings.queue_ms, client) as lease:
        lease.area[: len(frame)] = frame
        yield lease.run(replace(job, task=Task.AGAIN), len(frame))


def _due_ns(settings: Settings) -> int:
    return time.monotonic_ns() + settings.deadline_ms * _MS_NS
