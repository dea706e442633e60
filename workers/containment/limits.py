"""What a worker may take of the machine, and when it is replaced by a fresh one because it grew."""

from __future__ import annotations

import logging
import math
import os
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING

from workers.errors import ProjectInvalid
from workers.settings import MIB

if TYPE_CHECKING:
    from workers.settings import PoolSettings

_log = logging.getLogger(__name__)

_WEIGH_S = 0.01  # whoever takes a large part of its memory takes longer to touch it
_LOOK_S = 0.05
_LOOK_FRAMES = 64  # counting in /proc takes about 12 us
_STATM = "/proc/self/statm"
_DATA = 5
_FULL = 0.5  # of what loading has left: there is room for the frames until its successor is ready
_LEAST_FREE = 0.25  # of the limit, once the project is loaded and the largest frame copied
_MORE_DESCRIPTORS = 256
_MORE_THREADS = 64
_PAGE_BYTES = resource.getpagesize()


def data_bytes() -> int:
    """What this process has of private writable memory, used or not, shared with its parent or not; proc(5), statm."""
    return int(Path(_STATM).read_text("ascii").split()[_DATA]) * _PAGE_BYTES


def limit_memory(mib: int, from_bytes: int) -> None:
    """Let allocations of more than `mib` MiB fail: a MemoryError of that frame instead of a killed process.

    What was there at the fork, `from_bytes`, does not count: all workers share it. RLIMIT_DATA counts private writable
    memory and no shared one (setrlimit(2)), so not the frame memory.
    """
    if mib:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = from_bytes + mib * MIB
        resource.setrlimit(
            resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )


class Growth:
    """Looks between frames whether this process has grown; `why` says what, empty while it has not.

    `from_bytes` is what it had at its fork, and shares with others.

    Raises:
        ProjectInvalid: it needs more memory than it may have before the first frame has come.
    """

    def __init__(self, settings: PoolSettings, from_bytes: int) -> None:
        self._recycle_after = settings.recycle_after_frames
        self._most_mib = settings.worker_memory_mib
        self._frame_mib = settings.max_frame_mib
        self._from_bytes = from_bytes
        self._statm_fd = os.open(_STATM, os.O_RDONLY | os.O_CLOEXEC)
        self._descriptors = _descriptors()
        self._threads = _threads()
        self._weighed_s = self._looked_s = 0.0
        self._looked_after = 0
        self._full_bytes = self._full() if self._most_mib else math.inf

    @property
    def fd(self) -> int:
        """The descriptor that it looks with."""
        return self._statm_fd

    def why(self, frames: int) -> str:
        """Return the reason to be replaced after `frames` frames.

        What the first one has left counts as loaded: buffers and models that are made when they are first needed. Else
        each worker would be replaced after a frame.
        """
        if 0 < self._recycle_after <= frames:
            return f"it has done {frames} frames (recycle_after_frames)"
        if frames == 1 and self._most_mib:
            self._count_first_frame()
            return ""
        now_s = time.monotonic()
        if now_s - self._weighed_s < _WEIGH_S:
            return ""
        self._weighed_s = now_s
        if (has := self._data_bytes()) > self._full_bytes:
            return f"it has grown to {has // MIB} MiB of {self._most_mib} (worker_memory_mib)"
        if now_s - self._looked_s < _LOOK_S and frames - self._looked_after < _LOOK_FRAMES:
            return ""
        self._looked_s, self._looked_after = now_s, frames
        return self._too_many()

    def _too_many(self) -> str:
        if _descriptors() > self._descriptors + _MORE_DESCRIPTORS:
            return f"it has {_descriptors()} open files"
        if _threads() > self._threads + _MORE_THREADS:
            return f"it has {_threads()} threads"
        return ""

    def _full(self) -> float:
        loaded, most = self._data_bytes(), self._most_mib * MIB
        if needed_mib := self._needed_mib(loaded):
            msg = f"worker_memory_mib = {self._most_mib}: for this project, at least {needed_mib} were expected"
            raise ProjectInvalid(msg)
        return loaded + _FULL * (most - loaded)

    def _count_first_frame(self) -> None:
        has, most = self._data_bytes(), self._most_mib * MIB
        self._full_bytes = max(self._full_bytes, has + _FULL * (most - has))
        if needed_mib := self._needed_mib(has):
            _log.warning(
                "worker_memory_mib = %d is little for this project: with its first frame it has %d MiB, so at least %d"
                " were expected",
                self._most_mib,
                has // MIB,
                needed_mib,
            )

    def _needed_mib(self, has_bytes: int) -> int:
        """How much memory is expected of a worker that has `has_bytes` before a frame; 0 where there is enough."""
        least = has_bytes + self._frame_mib * MIB
        enough = least <= self._most_mib * MIB * (1 - _LEAST_FREE)
        return 0 if enough else math.ceil(least / (1 - _LEAST_FREE) / MIB)

    def _data_bytes(self) -> int:
        """What counts for the limit, used or not: private writable memory beyond that of the fork; proc(5), statm."""
        try:
            has = int(os.pread(self._statm_fd, 200, 0).split()[_DATA]) * _PAGE_BYTES
            return max(0, has - self._from_bytes)
        except (OSError, ValueError, IndexError):  # user code has closed it, and maybe opened another in its place
            self._statm_fd = os.open(_STATM, os.O_RDONLY | os.O_CLOEXEC)
            return 0


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - Path makes an object of each, five times as slow


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208 - as above
