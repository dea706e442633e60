"""A process's mark: no other process of this machine has it, and it can be seen whether that one still lives."""

from __future__ import annotations

from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_STARTED = 19  # of the fields behind the name in /proc/PID/stat: since the machine's start, in ticks


def mark_of(pid: int) -> str | None:
    """Return the mark of a process; None where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
        return f"{_BOOT.read_text('ascii').strip()} {pid} {stat.rpartition(') ')[2].split()[_STARTED]}"
    except (OSError, IndexError):
        return None


def lives(mark: str) -> bool:
    """Whether the process of this mark lives."""
    words = mark.split()
    return len(words) == 3 and words[1].isdecimal() and mark_of(int(words[1])) == mark


def is_of_this_machine(mark: str) -> bool:
    """Whether it was made on this machine, since it was started: only then can anybody look for its process."""
    try:
        return mark.startswith(f"{_BOOT.read_text('ascii').strip()} ")
    except OSError:
        return False
