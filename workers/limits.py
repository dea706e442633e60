"""What a worker may take of the machine, and when it is replaced by a fresh one because it grew."""

from __future__ import annotations

import logging
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.settings import PoolSettings

_log = logging.getLogger(__name__)

_FIRST_TO_GO = 900  # of -1000 to 1000; see proc(5), oom_score_adj
_LAST_TO_GO = -900
_LOOK_S = 0.05
_LOOK_FRAMES = 16  # reading /proc takes about 60 us
_FULL = 0.75  # of the memory limit: there is room for the frame at hand
_MORE_DESCRIPTORS = 256
_MORE_THREADS = 64
_PAGE_BYTES = resource.getpagesize()
MIB = 1 << 20


def be_first_to_go() -> None:
    """Have the kernel choose this process before all others of the server where memory runs out."""
    _set_score(_FIRST_TO_GO)


def be_last_to_go() -> None:
    """The opposite, for the supervisor and the fronts; takes a privilege that not every server has."""
    _set_score(_LAST_TO_GO)


def _set_score(score: int) -> None:
    try:
        Path("/proc/self/oom_score_adj").write_text(str(score), "ascii")
    except OSError as error:
        _log.debug("oom_score_adj stays as it is: %s", error)


class MemoryWatch:
    """Tells a worker that the kernel killed for memory from one that somebody else killed."""

    def __init__(self) -> None:
        self._kills = _out_of_memory_kills()

    def ran_out(self) -> bool:
        """Whether the kernel has ended a process of this machine for memory since this was asked last."""
        before, self._kills = self._kills, _out_of_memory_kills()
        return self._kills > before


def _out_of_memory_kills() -> int:
    for line in Path("/proc/vmstat").read_text("ascii").splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill":
            return int(value)
    return 0


def limit_memory(mib: int) -> None:
    """Let allocations beyond `mib` MiB of private memory fail: a MemoryError of that frame instead of a killed process.

    RLIMIT_DATA counts private writable memory and no shared one (setrlimit(2)), so not the frame memory.
    """
    if mib:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = mib * MIB
        resource.setrlimit(
            resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )


@dataclass(slots=True)
class Growth:
    """Looks between frames whether this process has grown; `why` says what, empty while it has not."""

    settings: PoolSettings
    _descriptors: int = 0
    _threads: int = 0
    _looked_s: float = 0.0
    _looked_after: int = 0

    def begin(self) -> None:
        """Take what there is now for normal."""
        self._descriptors = _descriptors()
        self._threads = _threads()

    def why(self, frames: int) -> str:
        """Return the reason to be replaced after `frames` frames."""
        if 0 < self.settings.recycle_after_frames <= frames:
            return f"it has done {frames} frames (recycle_after_frames)"
        now_s = time.monotonic()
        if now_s - self._looked_s < _LOOK_S and frames - self._looked_after < _LOOK_FRAMES:
            return ""
        self._looked_s, self._looked_after = now_s, frames
        return self._look()

    def _look(self) -> str:
        most_mib = self.settings.worker_memory_mib
        has_mib = _private_bytes() // MIB
        if most_mib and has_mib > _FULL * most_mib:
            return f"it has grown to {has_mib} MiB of {most_mib} (worker_memory_mib)"
        if _descriptors() > self._descriptors + _MORE_DESCRIPTORS:
            return f"it has {_descriptors()} open files"
        if _threads() > self._threads + _MORE_THREADS:
            return f"it has {_threads()} threads"
        return ""


def _private_bytes() -> int:
    """Resident memory that is not shared; see proc(5), statm."""
    _, resident, shared, *_ = Path("/proc/self/statm").read_bytes().split()
    return (int(resident) - int(shared)) * _PAGE_BYTES


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _threads() -> int:
    return sum(1 for _ in Path("/proc/self/task").iterdir())
