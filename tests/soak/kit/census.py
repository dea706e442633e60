"""The census of a server (I3): its processes, threads, descriptors, slots, memory, and what lies in /dev/shm.

Read from /proc and from the frame memory itself, so that the server cannot say anything nicer than it is.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

from tests.support.faults import children_of, command_of
from workers.memory.control import WorkerRow
from workers.memory.layout import HEADER_BYTES, PAGE_BYTES, ROW_BYTES
from workers.memory.slot import MAGIC, State, Word

_MORE_THREADS = 8  # a front starts threads as more cameras come at once, up to a fixed number: that is not a leak
# a front's heartbeat file, a worker's view of itself
_NAMES_OF_ONE = re.compile("(?<=wgunicorn-)[^ ]+|(?<=/proc/)[0-9]+")
_ROWS = 16  # of fronts and workers, more than any of these servers has
_LOOK_PAGES = 64  # the first slot header lies behind the control page and some rows


@dataclass(frozen=True, slots=True)
class Census:
    """Counts by role (supervisor, master, front, template, worker): `private_kib` is memory beside the frame memory."""

    processes: Counter[str]
    zombies: int
    threads: Counter[str]
    descriptors: Counter[str]
    slots: Counter[str]
    private_kib: Counter[str]
    shared_files: frozenset[str]

    def grown_since(self, before: Census, *, allowed_kib: int) -> list[str]:
        """What is more now than it was, in words; `allowed_kib` of private memory for all processes together."""
        said = [f"{self.zombies} zombies"] if self.zombies else []
        for what in ("processes", "threads", "descriptors"):
            earlier, now = getattr(before, what), getattr(self, what)
            # a front opens the folder of clients' segments at the first of them, and keeps it
            fronts = before.processes["front"]
            spare = Counter({"front": _MORE_THREADS * fronts} if what == "threads" else {"front /dev/shm": fronts})
            grown = [role for role in now if now[role] > earlier[role] + spare[role]]
            said += [f"{what} {role}: {earlier[role]} -> {now[role]}" for role in grown]
        said += [f"{count} slots are {state}" for state, count in self.slots.items() if state not in {"FREE", "DONE"}]
        if self.slots["DONE"] > max(1, self.processes["front"]):  # each front keeps its last frame
            said.append(f"{self.slots['DONE']} slots are DONE")
        if new := self.shared_files - before.shared_files:
            said.append(f"in /dev/shm: {sorted(new)}")
        grown_kib = self.private_kib.total() - before.private_kib.total()
        if grown_kib > allowed_kib:
            said.append(f"memory by {grown_kib} KiB: {dict(before.private_kib)} -> {dict(self.private_kib)}")
        return said


def take_census(supervisor: int) -> Census:
    """Count now. Processes that end meanwhile are left out."""
    roles = dict(_family(supervisor))
    threads: Counter[str] = Counter()
    descriptors: Counter[str] = Counter()
    private_kib: Counter[str] = Counter()
    zombies = 0
    for pid, role in roles.items():
        status = _status(pid)
        zombies += status.get("State", "Z").startswith("Z")
        threads[role] += int(status.get("Threads", "0"))
        private_kib[role] += int(status.get("RssAnon", "0").split()[0])
        for kind in _descriptors(pid):
            descriptors[f"{role} {kind}"] += 1
    # segments of clients, of these tests or others, are theirs: the server makes none
    shared = frozenset(entry.name for entry in Path("/dev/shm").iterdir() if not entry.name.startswith("psm_"))
    slots = slot_states(supervisor)
    return Census(Counter(roles.values()), zombies, threads, descriptors, slots, private_kib, shared)


def _family(supervisor: int) -> Iterator[tuple[int, str]]:
    yield supervisor, "supervisor"
    for child in children_of(supervisor):
        try:
            command = command_of(child)
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
        if "service.server.front" not in command:
            yield child, "template" if _goes_after_workers(child) else "worker"
            continue
        yield child, "master"
        for front in children_of(child):
            yield front, "front"


def _goes_after_workers(pid: int) -> bool:
    """Whether the kernel would take it only after the workers; what is being born has the supervisor's own score."""
    try:
        return int(Path(f"/proc/{pid}/oom_score_adj").read_text()) < 900
    except OSError:
        return False


def pids(supervisor: int, role: str) -> list[int]:
    """Process ids of one role."""
    return [pid for pid, its in _family(supervisor) if its == role]


def _status(pid: int) -> dict[str, str]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _descriptors(pid: int) -> list[str]:
    targets = [_target(entry) for entry in Path(f"/proc/{pid}/fd").glob("*")]
    return [target.partition(":")[0] if "memfd" not in target else target for target in targets if target]


def _target(entry: Path) -> str:
    try:
        return _NAMES_OF_ONE.sub("", str(entry.readlink()))
    except OSError:  # closed meanwhile
        return ""


@cache
def _frame_memory(supervisor: int) -> BinaryIO:
    for entry in Path(f"/proc/{supervisor}/fd").glob("*"):
        if _target(entry).startswith("/memfd:framemill "):
            return entry.open("rb", buffering=0)
    raise AssertionError("the frame memory was not found")


def at_work(supervisor: int) -> list[int]:
    """Process ids of the workers that take frames: one in reserve has not looked for a frame since it was born."""
    page = memoryview(os.pread(_frame_memory(supervisor).fileno(), _ROWS * ROW_BYTES, PAGE_BYTES)).cast("Q")
    rows = [page[at : at + ROW_BYTES // 8] for at in range(0, len(page), ROW_BYTES // 8)]
    heard_ns = {row[WorkerRow.PID]: row[WorkerRow.HEARD_NS] for row in rows}
    return [pid for pid in pids(supervisor, "worker") if heard_ns.get(pid, 0) > _born_ns(pid)]


def _born_ns(pid: int) -> int:
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
    except OSError:
        return 0
    return ticks * 10**9 // os.sysconf("SC_CLK_TCK")


def slot_states(supervisor: int) -> Counter[str]:
    """How many slots are in each state, read from the frame memory's own headers."""
    return Counter(_states(_frame_memory(supervisor).fileno()))


def control_words(supervisor: int) -> list[int]:
    """The words of the control page (`workers.memory.control.Control`) as they are now."""
    return memoryview(os.pread(_frame_memory(supervisor).fileno(), PAGE_BYTES, 0)).cast("Q").tolist()


def _states(fd: int) -> Iterator[str]:
    at = next(
        page * PAGE_BYTES
        for page in range(_LOOK_PAGES)
        if int.from_bytes(os.pread(fd, 8, page * PAGE_BYTES), "little") == MAGIC
    )
    while int.from_bytes(os.pread(fd, 8, at), "little") == MAGIC:
        yield State(int.from_bytes(os.pread(fd, 8, at + 8 * Word.STATE), "little")).name
        at += HEADER_BYTES
