"""How large the machine is for this process: a container may use less of it than there is.

A control group's limits hold for all groups inside it, so the smallest on the way up counts. Version 2 of control
groups has one tree with all limits, version 1 one for each kind; a machine may have both::

    /proc/self/cgroup                  0::/system.slice/framemill.service          4:memory:/docker/4f1c
    /proc/self/mountinfo               ... /sys/fs/cgroup ... - cgroup2 ...        ... /sys/fs/cgroup/memory ... - cgroup ... memory
    .../cpu.max, .../memory.max        "150000 100000" or "max 100000"; bytes or "max"
    .../cpu.cfs_quota_us (-1: none), .../cpu.cfs_period_us, .../memory.limit_in_bytes
"""  # noqa: E501 - a drawing

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

_MIB = 1 << 20
_ROOT = Path("/")


def cores(root: Path = _ROOT) -> int:
    """Return how many cores this process may use at once, at least one; `root` is where /proc and /sys are found."""
    here = len(os.sched_getaffinity(0))
    shares = [*_limits(root, "", _share), *_limits(root, "cpu", _old_share)]
    return max(1, min([here, *(math.ceil(share) for share in shares)]))


def memory_mib(root: Path = _ROOT) -> int:
    """Return how much memory this process may use, in MiB; `root` as for `cores`."""
    here = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    new = (limit for name in ("memory.max", "memory.high") for limit in _limits(root, "", _bytes(name)))
    return int(min([here, *new, *_limits(root, "memory", _bytes("memory.limit_in_bytes"))])) // _MIB


def _limits(root: Path, controller: str, read: Callable[[Path], float]) -> Iterator[float]:
    """Yield what the groups of this process say, from its own upwards; `controller` is "" for version 2."""
    for folder in _groups(root, controller):
        with contextlib.suppress(OSError, ValueError, ZeroDivisionError):  # not there, or "max"
            limit = read(folder)
            if limit > 0:
                yield limit


def _groups(root: Path, controller: str) -> Iterator[Path]:
    mounted = _mounted(root, controller)
    own = _own_group(root, controller)
    if mounted is None or own is None:
        return
    top, at = mounted
    # in a container its own group is often mounted as the top of what can be seen
    inside = own.relative_to(top) if own.is_relative_to(top) else PurePosixPath()
    folder = root / at.relative_to("/") / inside
    yield folder
    for _ in inside.parts:
        folder = folder.parent
        yield folder


def _own_group(root: Path, controller: str) -> PurePosixPath | None:
    for line in _lines(root / "proc/self/cgroup"):
        number, controllers, path = line.split(":", 2)
        if (number == "0" and not controllers) if not controller else controller in controllers.split(","):
            return PurePosixPath(path)
    return None


def _mounted(root: Path, controller: str) -> tuple[PurePosixPath, PurePosixPath] | None:
    """Return which group is mounted where."""
    for line in _lines(root / "proc/self/mountinfo"):
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        if kind == ("cgroup" if controller else "cgroup2") and (not controller or controller in options.split(",")):
            top, at = left.split(" ")[3:5]
            return PurePosixPath(top), PurePosixPath(at)
    return None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []


def _share(group: Path) -> float:
    quota, period = (group / "cpu.max").read_text().split()
    return int(quota) / int(period)


def _old_share(group: Path) -> float:
    return int((group / "cpu.cfs_quota_us").read_text()) / int((group / "cpu.cfs_period_us").read_text())


def _bytes(name: str) -> Callable[[Path], float]:
    return lambda group: int((group / name).read_text())
