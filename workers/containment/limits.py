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

if TYPE_CHECKING:
    from workers.settings import PoolSettings

_log = logging.getLogger(__name__)

_FIRST_TO_GO = 900  # of -1000 to 1000; see proc(5), oom_score_adj
_THEN_TO_GO = 300
_LAST_TO_GO = -900
_WEIGH_S = 0.01  # whoever takes a large part of its memory takes longer to touch it
_LOOK_S = 0.05
_LOOK_FRAMES = 64  # counting in /proc takes about 12 us
_STATM = "/proc/self/statm"
_DATA = 5
_FULL = 0.5  # of what loading has left: there is room for the frames until its successor is ready
_LEAST_FREE = 0.25  # of the limit, once the project is loaded and the largest frame copied
_MORE_DESCRIPTORS = 256
_MORE_THREADS = 64
_KILL_LASTS_NS = 3_000_000_000  # from being chosen to having ended: gigabytes are given back first
_PAGE_BYTES = resource.getpagesize()
MIB = 1 << 20


def be_first_to_go() -> None:
    """Have the kernel choose this process before all others of the server where memory runs out."""
    _set_score(_FIRST_TO_GO)


def go_after_workers() -> None:
    """Have the kernel choose workers before this process: a template, whose memory they share."""
    _set_score(_THEN_TO_GO)


def be_last_to_go() -> None:
    """The opposite, for the supervisor and the fronts; takes a privilege that not every server has."""
    _set_score(_LAST_TO_GO)


def _set_score(score: int) -> None:
    try:
        Path("/proc/self/oom_score_adj").write_text(str(score), "ascii")
    except OSError as error:
        _log.debug("oom_score_adj stays as it is: %s", error)


class MemoryWatch:
    """Tells a worker that the kernel killed for memory from one that somebody else killed.

    The kernel counts such kills for the whole machine: only those of the last few seconds can be that of a worker that
    has just ended, and each can be that of one worker.
    """

    def __init__(self) -> None:
        self._settled = self._recent = _out_of_memory_kills()
        self._next_ns = 0

    def tick(self, now_ns: int) -> None:
        """Let kills that are older than a few seconds be those of other processes."""
        if now_ns >= self._next_ns:
            self._next_ns = now_ns + _KILL_LASTS_NS
            self._settled, self._recent = max(self._settled, self._recent), _out_of_memory_kills()

    def ran_out(self) -> bool:
        """Whether the kernel has ended a process of this machine for memory, and no other worker was that one."""
        if _out_of_memory_kills() <= self._settled:
            return False
        self._settled += 1
        return True


def _out_of_memory_kills() -> int:
    try:
        statistics = Path("/proc/vmstat").read_text("ascii")
    except OSError:  # no descriptor left
        return 0
    for line in statistics.splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill":
            return int(value)
    return 0


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
        """Return the reason to be replaced after `frames` frames."""
        if 0 < self._recycle_after <= frames:
            return f"it has done {frames} frames (recycle_after_frames)"
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
        least = loaded + self._frame_mib * MIB
        if least > most * (1 - _LEAST_FREE):
            needed_mib = math.ceil(least / (1 - _LEAST_FREE) / MIB)
            msg = f"worker_memory_mib = {self._most_mib}: for this project, at least {needed_mib} were expected"
            raise ProjectInvalid(msg)
        return loaded + _FULL * (most - loaded)

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
