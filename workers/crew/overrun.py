"""Ends workers whose frame runs longer than it may, and has them say first where they are.

A worker that is to be killed gets a signal at which C writes the stack of all its threads to its output, and so to the
server's log; one turn of the supervisor's loop later comes SIGKILL. Where user code has taken the signal for itself
there is no stack. A frame that ends in between spares its worker.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from workers.containment.streams import STACK_SIGNAL
from workers.crew.rescue import overdue_owners
from workers.memory.control import Control

if TYPE_CHECKING:
    from workers.crew.member import Member
    from workers.memory.control import ControlPage
    from workers.memory.slot import Header

_log = logging.getLogger(__name__)

_WRITES_NS = 15_000_000  # long enough to write a stack; the loop turns every 20 ms


class Overrun:
    """What the supervisor asks at every turn."""

    def __init__(self, headers: Sequence[Header], control: ControlPage, run_ms: int) -> None:
        self._headers = headers
        self._control = control
        self._run_ms = run_ms

    @property
    def run_ns(self) -> int:
        """How long a frame may run."""
        return self._run_ms * 1_000_000

    def watch(self, members: Iterable[Member], now_ns: int) -> None:
        """Signal to workers whose frame has just run for too long, and kill those that were signalled to before."""
        late = overdue_owners(self._headers, now_ns, self.run_ns)
        for member in members:
            if member.pid not in late:
                self._spare(member)
            elif not member.killed_for_time:
                # from here on its death is ours: the signal ends it where user code has set it back to do so
                member.killed_for_time, member.late_ns = True, now_ns
                why = late[member.pid] or f"its frame ran longer than {self._run_ms} ms (run_ms)"
                _log.warning("worker %d is killed: %s", member.pid, why)
                os.kill(member.pid, STACK_SIGNAL)
            elif member.late_ns and now_ns - member.late_ns >= _WRITES_NS:
                member.late_ns = 0
                self._control.words[Control.OVERDUE_KILLS] += 1
                os.kill(member.pid, signal.SIGKILL)

    @staticmethod
    def _spare(member: Member) -> None:
        if member.late_ns:
            member.killed_for_time, member.late_ns = False, 0
            _log.warning("worker %d is not killed: its frame has just ended", member.pid)
