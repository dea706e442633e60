"""A worker process as the supervisor knows it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.flow.project import Project


@dataclass(slots=True)
class Member:
    """One worker process. `report_fd` is -1 once it has said that it is ready."""

    pid: int
    pidfd: int
    row: int
    report_fd: int
    lifeline_fd: int
    project: Project
    born_ns: int = field(default_factory=time.monotonic_ns)
    ready: bool = False
    went_ns: int = 0  # when it was told to go
    retired: bool = False
    killed_for_time: bool = False

    @property
    def at_work(self) -> bool:
        """Whether it takes frames: it has been told to go and not to stop."""
        return self.went_ns > 0 and not self.retired
