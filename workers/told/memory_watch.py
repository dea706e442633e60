"""Whether the kernel has ended a worker because memory ran out."""

from __future__ import annotations

from pathlib import Path

_KILL_LASTS_NS = 3_000_000_000  # from being chosen to having ended: gigabytes are given back first


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
