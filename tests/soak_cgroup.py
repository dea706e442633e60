"""A memory limit for running processes: a memory cgroup of version 1 or 2, whichever this machine lets us make."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults import until

_LIMITS = {
    Path("/sys/fs/cgroup/memory"): "memory.limit_in_bytes",
    Path("/sys/fs/cgroup"): "memory.max",
}


@contextmanager
def memory_limit(mib: int) -> Iterator[Callable[[int], None]]:
    """Make a group that may use `mib` MiB; yields what puts a process into it. Skips where no group can be made."""
    group, limit = _make_group()
    (group / limit).write_text(str(mib << 20))

    def enter(pid: int) -> None:
        (group / "cgroup.procs").write_text(str(pid))

    try:
        yield enter
    finally:
        until(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


def _make_group() -> tuple[Path, str]:
    for root, limit in _LIMITS.items():
        group = root / f"framemill-soak-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / limit).exists():
            return group, limit
        group.rmdir()
    pytest.skip("no memory cgroup can be made here (it takes root)")
