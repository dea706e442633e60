"""A process that is started from a command and runs beside the workers: the fronts' master, a recorder, an output."""

from __future__ import annotations

import enum
import logging
import os
import selectors
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

_log = logging.getLogger(__name__)

_PAUSE_S = 2.0  # one that ends at once is not started in a loop


class Command(NamedTuple):
    """What a process is started with: its command line, its environment, and the descriptors that it inherits."""

    line: list[str]
    environment: dict[str, str]
    fds: tuple[int, ...]


class Ends(enum.Enum):
    """When a program is asked to end, as the server does."""

    WITH_FRONTS = enum.auto()  # it brings something in: no more of that
    BEHIND_FRONTS = enum.auto()  # fronts need it to their end, and what it does then is taken on by others
    AFTER_WORKERS = enum.auto()  # it takes something on: the last frame's, too


@dataclass(frozen=True, slots=True)
class ProgramPlan:
    """A program that runs beside the fronts: what it is called, its command, when it ends.

    One that `restarts` is started again when it has ended by itself; else it is left so. It is started once it
    `is_wanted`.
    """

    name: str
    command: Callable[[], Command]
    ends: Ends = Ends.AFTER_WORKERS
    restarts: bool = True
    is_wanted: Callable[[], bool] = lambda: True


class Program:
    """One such process, or none at the moment. `on_ended` is told its exit status."""

    def __init__(
        self, plan: ProgramPlan, selector: selectors.BaseSelector, on_ended: Callable[[int], None] | None = None
    ) -> None:
        self.plan = plan
        self._selector = selector
        self._on_ended = on_ended or self._say_ended
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self._started_s = time.monotonic()
        self._next_s = 0.0
        self._starts = 0
        self._asked_to_end = False

    @property
    def pids(self) -> set[int]:
        """The process id, nothing while there is none."""
        return {self._process.pid} if self._process is not None else set()

    @property
    def age_s(self) -> float:
        """Seconds since the last start."""
        return time.monotonic() - self._started_s

    @property
    def is_due(self) -> bool:
        """Whether there is no process and one may be started now."""
        may = not self._asked_to_end and (self.plan.restarts or not self._starts)
        may = may and self._process is None and time.monotonic() >= self._next_s
        return may and self.plan.is_wanted()

    def start(self) -> None:
        """Start it; raises OSError, and is not due again before a pause is over."""
        command = self.plan.command()
        self._started_s = time.monotonic()
        self._next_s = self._started_s + _PAUSE_S
        process = subprocess.Popen(command.line, env=command.environment, pass_fds=command.fds, process_group=0)
        # the descriptor that Popen needed a moment ago is free again
        self._process, self._pidfd = process, os.pidfd_open(process.pid)
        self._starts += 1
        self._selector.register(self._pidfd, selectors.EVENT_READ, self._reap)

    def start_if_due(self) -> None:
        """Start it where it is missing; what speaks against that is said, and it is tried again."""
        if self.is_due:
            try:
                self.start()
            except OSError as error:
                _log.error("%s cannot be started at the moment: %s; it is tried again", self.plan.name, error)

    def terminate(self) -> None:
        """Ask it to finish what it has and to end."""
        self._asked_to_end = True
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """End it, and with it what it has started."""
        self._asked_to_end = True
        if self._process is not None:
            self._process.kill()

    def _reap(self) -> None:
        assert self._process is not None
        status = self._process.wait()
        self._selector.unregister(self._pidfd)
        os.close(self._pidfd)
        self._process = None
        self._on_ended(status)

    def _say_ended(self, status: int) -> None:
        if not self._asked_to_end:
            again = "it is started again" if self.plan.restarts else "it is left so"
            _log.warning("%s ended with status %d; %s", self.plan.name, status, again)
