"""The fronts' master as the supervisor sees it: a command that it starts, and a process that ends."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PAUSE_S = 2.0  # a master that ends at once is not started in a loop


class Fronts:
    """Starts the master and says when it has ended; one at a time.

    `command` makes its command line, environment and what it inherits beside `fds`; `on_ended` is told its exit status.
    """

    def __init__(
        self,
        command: Callable[[], tuple[list[str], dict[str, str], tuple[int, ...]]],
        fds: tuple[int, ...],
        selector: selectors.BaseSelector,
        on_ended: Callable[[int], None],
    ) -> None:
        self._command = command
        self._fds = fds
        self._selector = selector
        self._on_ended = on_ended
        self._master: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self._started_s = time.monotonic()
        self._next_s = 0.0

    @property
    def pids(self) -> set[int]:
        """The master's process id, nothing while there is none."""
        return {self._master.pid} if self._master is not None else set()

    @property
    def age_s(self) -> float:
        """Seconds since the last start."""
        return time.monotonic() - self._started_s

    @property
    def are_due(self) -> bool:
        """Whether there is no master and one may be started now."""
        return self._master is None and time.monotonic() >= self._next_s

    def start(self) -> None:
        """Start the master; raises OSError, and is not due again before a pause is over."""
        command, environment, fds = self._command()
        self._started_s = time.monotonic()
        self._next_s = self._started_s + _PAUSE_S
        master = subprocess.Popen(command, env=environment, pass_fds=(*self._fds, *fds), process_group=0)
        # the descriptor that Popen needed a moment ago is free again
        self._master, self._pidfd = master, os.pidfd_open(master.pid)
        self._selector.register(self._pidfd, selectors.EVENT_READ, self._reap)

    def terminate(self) -> None:
        """Ask the fronts to finish what they have and to end."""
        if self._master is not None:
            self._master.terminate()

    def kill(self) -> None:
        """End the master, and with it the fronts."""
        if self._master is not None:
            self._master.kill()

    def _reap(self) -> None:
        assert self._master is not None
        status = self._master.wait()
        self._selector.unregister(self._pidfd)
        os.close(self._pidfd)
        self._master = None
        self._on_ended(status)
