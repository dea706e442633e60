"""Workers that are lost: those that hang or write at random are ended, and what they leave behind is seen to."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING

from workers.containment.log import escaped
from workers.containment.orphans import end_group
from workers.crew import rescue
from workers.crew.breaker import Breaker
from workers.crew.member import Member, doubted, silent
from workers.crew.overrun import Overrun, SlowEnds
from workers.memory.control import Control, WorkerRow
from workers.memory.crash_table import CrashTable
from workers.memory.slot import headers
from workers.told.memory_watch import MemoryWatch

if TYPE_CHECKING:
    from workers.crew.template_process import Household
    from workers.memory.control import ControlPage
    from workers.memory.module_table import ModuleTable

_log = logging.getLogger(__name__)

_LOOK_NS = 1_000_000_000


class Losses:
    """Looks after `members`, the crew's, and after frames that nobody runs any more."""

    def __init__(
        self,
        house: Household,
        low: memoryview,
        control: ControlPage,
        *,
        members: Mapping[int, Member],
        modules: ModuleTable,
    ) -> None:
        settings, arena, outputs = house.settings, house.arena, house.outputs
        self.breaker = Breaker(control, settings.broken_flow_pause_ms)
        self._members = members
        self._control = control
        self._outputs = outputs
        self._channel = house.channel
        self._headers = headers(low, arena.geometry)
        self._overrun = Overrun(self._headers, control, settings.run_ms, modules=modules, outputs=outputs)
        self._slow_ends = SlowEnds(control, settings.finish_ms, outputs)
        self._lost = rescue.LostJobs(self._headers, house.channel)
        self._memory = MemoryWatch()
        self._crashes = CrashTable(low, arena.geometry, arena.fd)
        self._looked_ns = 0
        self._ownerless: set[int] = set()

    @property
    def cut_short(self) -> int:
        """How many workers were killed because they took too long for their end."""
        return self._slow_ends.killed

    def watch(self, pids: set[int], now_ns: int) -> None:
        """End what is overdue or deaf, announce what was lost; `pids` are the crew's. Called at every tick."""
        self.breaker.tick(now_ns)
        self._memory.tick(now_ns)
        self._overrun.watch(self._members.values(), now_ns)
        self._slow_ends.watch(self._members.values(), now_ns)
        self._ownerless = rescue.end_ownerless(self._headers, self._channel, pids, self._ownerless)
        longest_wait_ns = self._lost.announce_again(now_ns)
        for member in silent(self._members.values(), self._control.workers, now_ns, longest_wait_ns):
            if not rescue.runs_a_frame(self._headers, member.pid):
                _kill(member, "it is idle and does not look for frames")
        for member in doubted(self._members, self._control.fronts):
            _kill(member, "it left an answer that cannot be right")
        self._log_crashes(now_ns)

    def _log_crashes(self, now_ns: int) -> None:
        """Say how often workers have met with exceptions that the log has had and does not get again."""
        if now_ns - self._looked_ns > _LOOK_NS:
            self._looked_ns = now_ns
            for kind, more in self._crashes.left(now_ns):
                _log.error("%s: %s more like it since it was logged last", escaped(kind.encode()), f"{more:,}")

    def reap(self, member: Member) -> int:
        """Take note of a worker's end, and see to what it ran and said last; returns its wait status."""
        end_group(member.pid)
        _, status = os.waitpid(member.pid, 0)
        row = self._control.workers[member.row]
        by_signal = os.WIFSIGNALED(status)
        if row[WorkerRow.BUSY] and not member.retired and not member.killed_for_time:
            _log.warning("worker %d has ended while its frame was in %s", member.pid, self._overrun.place(member))
            self._overrun.quote_printed(member)
        row[WorkerRow.PID] = row[WorkerRow.BUSY] = row[WorkerRow.ENDS_NS] = 0
        death = rescue.Death(
            member.pid,
            repeatable=by_signal and member.project.idempotent,
            for_time_ns=self._overrun.run_ns if member.killed_for_time else 0,
            for_memory=os.WTERMSIG(status) == signal.SIGKILL and self._memory.ran_out(),
        )
        rescue.after_death(self._headers, self._channel, death, self.breaker.crashed)
        if not member.retired:
            self._control.words[Control.WORKER_DEATHS] += 1
            # the signal before the kill has ended it
            self._control.words[Control.OVERDUE_KILLS] += member.late_ns > 0
        self._outputs.end(member.pid)
        return status


def _kill(member: Member, why: str) -> None:
    _log.warning("worker %d is killed: %s", member.pid, why)
    member.killed_for_time = True
    os.kill(member.pid, signal.SIGKILL)
