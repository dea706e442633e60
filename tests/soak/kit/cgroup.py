"""Limits for running processes: a cgroup of version 1 or 2, whichever this machine lets us make."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.faults import until

_ROOT = Path("/sys/fs/cgroup")


@contextmanager
def memory_limit(mib: int) -> Iterator[Callable[[int], None]]:
    """Make a group that may use `mib` MiB; yields what puts a process into it. Skips where no group can be made."""
    with _group({_ROOT / "memory": "memory.limit_in_bytes", _ROOT: "memory.max"}) as (group, limit):
        limit.write_text(str(mib << 20))
        yield lambda pid: _enter(group, pid)


@dataclass(frozen=True, slots=True)
class Crowd:
    """Processes that may have only so many threads, their own first ones included."""

    group: Path
    limit: Path

    def enter(self, pid: int) -> None:
        """Count this process, and what it starts from now on."""
        _enter(self.group, pid)

    def stays_as_it_is(self) -> None:
        """Let there be no more of them than there are."""
        self.limit.write_text((self.group / "pids.current").read_text())

    def may_grow(self) -> None:
        """Take the limit away."""
        self.limit.write_text("max")


@contextmanager
def crowd() -> Iterator[Crowd]:
    """Make a group without a limit yet. Skips where no group can be made."""
    with _group({_ROOT / "pids": "pids.max", _ROOT: "pids.max"}) as (group, limit):
        yield Crowd(group, limit)


def _enter(group: Path, pid: int) -> None:
    (group / "cgroup.procs").write_text(str(pid))


@contextmanager
def _group(limits: dict[Path, str]) -> Iterator[tuple[Path, Path]]:
    group, limit = _make_group(limits)
    try:
        yield group, group / limit
    finally:
        until(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


def _make_group(limits: dict[Path, str]) -> tuple[Path, str]:
    for root, limit in limits.items():
        group = root / f"framemill-soak-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / limit).exists():
            return group, limit
        group.rmdir()
    pytest.skip("no cgroup can be made here (it takes root)")
