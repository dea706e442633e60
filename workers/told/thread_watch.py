"""Whether a worker computes on more threads than its share of the cores: then workers are in each other's way.

A library that computes by itself (onnxruntime, torch) takes a thread for each core unless it is told otherwise, and so
does each worker: with as many workers as cores that halves the rate. Threads that only wait do no harm, so what counts
is how long each has run (/proc/self/task/TID/schedstat) while the worker's own thread did some frames.
"""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from pathlib import Path

_LOOKS = frozenset({5, 20, 80, 320, 1280})  # after how many frames
_BUSY = 0.2  # of the time that the worker's own thread has run
_LEAST_NS = 1_000_000


class ThreadWatch:
    """Looks now and then, which takes some microseconds a thread; `said` is shared by a version's workers."""

    def __init__(self, workers: int, cores: int, said: mmap.mmap) -> None:
        self._workers = workers
        self._cores = cores
        self._share = max(1, cores // workers)
        self._said = said
        self._before: dict[int, int] = {}

    def why(self, frames: int) -> str:
        """Say after `frames` frames that there are too many; empty where there are not, or another has said so."""
        if frames not in _LOOKS or self._said[0]:
            return ""
        now = _run_ns()
        before, self._before = self._before, now
        own_ns = now.get(os.getpid(), 0) - before.get(os.getpid(), 0)
        if not before or own_ns < _LEAST_NS:
            return ""
        busy = sum(1 for thread, run_ns in now.items() if run_ns - before.get(thread, 0) > _BUSY * own_ns)
        if busy <= self._share:
            return ""
        self._said[0] = 1
        return (
            f"it computes on {busy} threads, and its share is {self._share} ({self._cores} cores, {self._workers}"
            " workers): more only get in each other's way; have libraries take one, or set fewer workers"
        )


def _run_ns() -> dict[int, int]:
    """How long each thread of this process has run; nothing where the kernel does not say."""
    found = {}
    for thread in os.listdir("/proc/self/task"):  # noqa: PTH208 - Path makes an object of each, five times as slow
        with suppress(OSError, ValueError, IndexError):  # it has just ended
            found[int(thread)] = int(Path(f"/proc/self/task/{thread}/schedstat").read_bytes().split()[0])
    return found
