"""A worker process as the supervisor knows it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workers.memory.control import FrontRow, WorkerRow

if TYPE_CHECKING:
    from workers.flow.project import Project


_DEAF_NS = 1_000_000_000  # an idle worker that lets a frame wait for so long does not hear
_SILENT_NS = 2_000_000_000  # an idle worker looks for a job twice a second


@dataclass(slots=True)
class Member:
    """One worker process. `report_fd` is -1 once it has said that it is ready.

    `pid` is 0 while it is on its way from the template `template_pid`; until then its output waits in `output_fd`.
    `box_fd` is its black box (told/black_box.py).
    """

    pid: int
    pidfd: int
    row: int
    report_fd: int
    lifeline_fd: int
    project: Project
    output_fd: int = -1
    box_fd: int = -1
    template_pid: int = 0
    said: bytes = b""  # in its report, without the end of the line so far
    born_ns: int = field(default_factory=time.monotonic_ns)
    ready: bool = False
    said_why: bool = False  # it is not ready, or it was said for it
    went_ns: int = 0  # when it was told to go
    retired: bool = False
    killed_for_time: bool = False
    late_ns: int = 0  # when it was found to run a frame for too long, until it is killed for that (overrun.py)
    cut_short_ns: int = 0  # when it was found to take too long for its end
    frames: int = 0  # that it had done when it was looked at last
    busy_ns: int = 0  # when it was last seen at a frame, or behind another one

    @property
    def at_work(self) -> bool:
        """Whether it takes frames: it has been told to go and not to stop."""
        return self.went_ns > 0 and not self.retired

    def go(self) -> None:
        """Have it take frames, unless it has just ended: that is heard of otherwise."""
        with suppress(BrokenPipeError):
            os.write(self.lifeline_fd, b"g")
            self.went_ns = time.monotonic_ns()

    def close(self) -> None:
        """Let go of a process that has ended; its report and its output have owners of their own."""
        os.close(self.pidfd)
        os.close(self.box_fd)
        if self.lifeline_fd >= 0:
            os.close(self.lifeline_fd)


def silent(members: Iterable[Member], rows: Sequence[memoryview], now_ns: int, longest_wait_ns: int) -> list[Member]:
    """Those that should have been heard of: at work, waiting for their go, or asked to end.

    `longest_wait_ns` is how long a frame has waited for a worker.
    """
    found = []
    for member in members:
        if not member.ready or member.killed_for_time:
            continue
        row = rows[member.row]
        if row[WorkerRow.ENDS_NS]:  # overrun.py looks after it
            continue
        silent_ns = now_ns - max(row[WorkerRow.HEARD_NS], member.went_ns)
        if row[WorkerRow.BUSY] or row[WorkerRow.FRAMES] != member.frames:
            member.frames, member.busy_ns = row[WorkerRow.FRAMES], now_ns
        # a frame may have waited for long because nobody was there: whoever has just come, or ended one, takes it next
        idle_ns = now_ns - max(member.busy_ns, member.went_ns)
        deaf = member.at_work and min(longest_wait_ns, idle_ns) > _DEAF_NS
        if deaf or silent_ns > _SILENT_NS:
            found.append(member)
    return found


def doubted(members: Mapping[int, Member], fronts: Sequence[memoryview]) -> list[Member]:
    """Those that fronts complain about: they left an answer that cannot be right. Each is heard of once."""
    rows = [row for row in fronts if row[FrontRow.DOUBTED_PID]]
    pids = {row[FrontRow.DOUBTED_PID] for row in rows}
    for row in rows:
        row[FrontRow.DOUBTED_PID] = 0
    return [members[pid] for pid in pids & members.keys()]
