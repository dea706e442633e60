"""How large the machine is for a process in control groups: the smallest limit on the way up, of either version."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from workers.machine import cores, memory_mib

_HERE = len(os.sched_getaffinity(0))
_ALL_MIB = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
_V2 = "24 23 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"
_V1 = (
    "31 30 0:26 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "32 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)


def machine(root: Path, mounts: str, groups: str, files: Mapping[str, str]) -> Path:
    """Lay out what the kernel shows of control groups below `root`."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mountinfo").write_text(mounts)
    (root / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_without_control_groups_all_of_the_machine_counts(tmp_path: Path) -> None:
    assert (cores(tmp_path), memory_mib(tmp_path)) == (_HERE, _ALL_MIB)


def test_a_limit_of_version_2_counts(tmp_path: Path) -> None:
    files = {"line.slice/cpu.max": "50000 100000\n", "line.slice/memory.max": f"{300 << 20}\n"}
    root = machine(tmp_path, _V2, "0::/line.slice\n", files)
    assert (cores(root), memory_mib(root)) == (1, 300)


def test_a_limit_of_version_1_counts(tmp_path: Path) -> None:
    files = {
        "cpu,cpuacct/docker/4f/cpu.cfs_quota_us": "100000\n",
        "cpu,cpuacct/docker/4f/cpu.cfs_period_us": "100000\n",
        "memory/docker/4f/memory.limit_in_bytes": f"{400 << 20}\n",
    }
    root = machine(tmp_path, _V1, "4:memory:/docker/4f\n1:cpu,cpuacct:/docker/4f\n0::/\n", files)
    assert (cores(root), memory_mib(root)) == (1, 400)


def test_the_smallest_limit_on_the_way_up_counts(tmp_path: Path) -> None:
    files = {
        "a/cpu.max": "100000 100000\n",
        "a/b/cpu.max": "max 100000\n",
        "a/b/c/cpu.max": "6400000 100000\n",
        "a/memory.max": f"{900 << 20}\n",
        "a/b/memory.max": f"{200 << 20}\n",
        "a/b/c/memory.max": "max\n",
        "a/b/c/memory.high": f"{700 << 20}\n",
    }
    root = machine(tmp_path, _V2, "0::/a/b/c\n", files)
    assert (cores(root), memory_mib(root)) == (1, 200)


def test_a_group_that_is_mounted_as_the_top_is_found(tmp_path: Path) -> None:
    mounts = _V2.replace(" / /sys", " /docker/4f /sys")
    root = machine(tmp_path, mounts, "0::/docker/4f\n", {"memory.max": f"{250 << 20}\n", "cpu.max": "1 100000\n"})
    assert (cores(root), memory_mib(root)) == (1, 250)


def test_a_group_that_cannot_be_seen_from_here_counts_as_the_top(tmp_path: Path) -> None:
    root = machine(tmp_path, _V2, "0::/../../somewhere\n", {"memory.max": f"{250 << 20}\n"})
    assert memory_mib(root) == 250


def test_parts_of_a_core_are_rounded_up_and_more_than_there_is_counts_for_nothing(tmp_path: Path) -> None:
    files = {"cpu.max": "100001 100000\n", "memory.max": f"{1 << 62}\n"}
    root = machine(tmp_path, _V2, "0::/\n", files)
    assert (cores(root), memory_mib(root)) == (min(2, _HERE), _ALL_MIB)


@pytest.mark.parametrize("text", ["", "max", "-1", "0 0", "many 100000", "\x00", "100000"])
def test_what_is_no_limit_counts_for_nothing(tmp_path: Path, text: str) -> None:
    files = {"cpu.max": text, "memory.max": text}
    files |= {"cpu,cpuacct/cpu.cfs_quota_us": text, "memory/memory.limit_in_bytes": text}
    root = machine(tmp_path, _V2 + _V1, "4:memory:/\n1:cpu,cpuacct:/\n0::/\n", files)
    assert cores(root) == _HERE
    assert memory_mib(root) in {_ALL_MIB, 0}
