"""The worker processes as the supervisor sees them: born, ready, at work, retired, dead, replaced."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import time
from typing import TYPE_CHECKING, Any

from workers.admission.pace import Pace
from workers.containment.limits import MemoryWatch
from workers.containment.log import Outputs
from workers.containment.orphans import end_group
from workers.crew import rescue
from workers.crew.breaker import Breaker
from workers.crew.fork import how_it_ended
from workers.crew.hiring import Hiring
from workers.crew.member import Member, doubted, silent
from workers.crew.overrun import Overrun
from workers.crew.template_process import Household
from workers.memory.control import Control, WorkerRow
from workers.memory.slot import headers
from workers.worker.preload import freeze

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.flow.project import Project
    from workers.memory.arena import ArenaFile
    from workers.memory.control import ControlPage
    from workers.pool.channel import Channel
    from workers.settings import PoolSettings

_log = logging.getLogger(__name__)

_NOTHING_LEFT_S = 1.0  # between two tries to start a process where the machine has no room for one


class Crew:
    """Keeps the wanted number of workers at work; `tidy` is called when a version's copy is not used any more."""

    def __init__(  # noqa: PLR0917 - the supervisor's own parts, in the order in which it makes them
        self,
        settings: PoolSettings,
        project: Project,
        arena: ArenaFile,
        channel: Channel,
        control: ControlPage,
        low: memoryview,
        selector: selectors.BaseSelector,
        tidy: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._project = project
        self._channel = channel
        self._control = control
        self._headers = headers(low, arena.geometry)
        self._overrun = Overrun(self._headers, control, settings.run_ms)
        self._lost = rescue.LostJobs(self._headers, channel)
        self._breaker = Breaker(control, settings.broken_flow_pause_ms)
        self._memory = MemoryWatch()
        self._orphaned: set[int] = set()
        self._selector = selector
        self._outputs = Outputs(selector)
        house = Household(settings, arena, channel, selector, self._outputs)
        self._births = Hiring(house, self._on_arrival, self._on_report, self.hire)
        self._births.template(project)  # from here on its copy is held
        self._tidy = tidy
        self._members: dict[int, Member] = {}
        self._next_project: Project | None = None
        self._hiring = True
        self._has_worked = False
        self._hire_from_s = 0.0
        control.words[Control.WORKERS_WANTED] = settings.workers
        control.words[Control.FLOW_VERSION] = _number_of(project)
        freeze()

    @property
    def size(self) -> int:
        """How many processes live, templates, spares and retired workers included."""
        return len(self._members) + self._births.size

    @property
    def pids(self) -> set[int]:
        """All of these processes."""
        return set(self._members) | self._births.pids

    @property
    def complete(self) -> bool:
        """Whether every wanted worker can take a frame."""
        return self._control.workers_ready >= self._settings.workers

    def hire(self) -> None:
        """Fork what is missing: workers for the present project and the next, and a spare where booting takes long.

        Raises:
            OSError: a process or its pipes cannot be made, before any worker was ready; later it is tried again.
        """
        if not self._hiring or time.monotonic() < self._hire_from_s:
            return
        try:
            self._hire()
        except OSError as error:
            if not self._has_worked:
                raise
            _log.error("no worker can be started at the moment: %s; it is tried again", error)
            self._hire_from_s = time.monotonic() + _NOTHING_LEFT_S

    def _hire(self) -> None:
        extra = int(self._births.template(self._project).wants_spare) + int(self._grown() is not None)
        self._births.fill(self._project, self._settings.workers + extra, self._members.values())
        if self._next_project is not None:
            self._births.fill(self._next_project, self._settings.workers, self._members.values())

    def _on_arrival(self, member: Member) -> None:
        self._members[member.pid] = member
        self._selector.register(member.pidfd, selectors.EVENT_READ, lambda: self._on_death(member))

    def _on_report(self, member: Member, report: dict[str, Any]) -> None:
        if member.retired:
            return
        template = self._births.template(member.project)
        if "error" in report:
            member.said_why = True
            template.standing.failed(report["error"])
            return
        template.standing.worked()
        member.ready = self._has_worked = True
        if not template.loads:
            template.has_loaded(report["boot_ns"])
        self._put_to_work()
        self.hire()

    def _put_to_work(self) -> None:
        """Give the go to ready members until enough are at work; on a reload, to all new ones at once."""
        reloaded = False
        fresh = [m for m in self._members.values() if m.ready and not m.retired]
        if self._next_project is not None:
            arrived = [m for m in fresh if m.project is self._next_project]
            if len(arrived) >= self._settings.workers:
                before, self._project, self._next_project = self._project, self._next_project, None
                reloaded = True
                self._breaker.reset()
                Pace(self._control.words).forget()
                self._control.words[Control.FLOW_VERSION] = _number_of(self._project)
                self._let_go(before)
                for member in [m for m in self._members.values() if m.project is not self._project]:
                    self._retire(member)
        waiting = [m for m in fresh if not m.at_work and m.project is self._project]
        grown = self._grown()
        if waiting and grown is not None:  # its successor is there: no frame waits for the change
            self._control.words[Control.RECYCLED] += 1
            self._retire(grown)
        for member in waiting:
            working = sum(1 for m in self._members.values() if m.at_work)
            if working >= self._settings.workers:
                break
            member.go()
        self._count()
        self._control.words[Control.RELOADS] += reloaded  # last: whoever reads it meets the new project only

    def _grown(self) -> Member | None:
        """The worker that is to be replaced next because it grew; one at a time."""
        rows = self._control.workers
        return next((m for m in self._members.values() if m.at_work and rows[m.row][WorkerRow.GROWN]), None)

    def _count(self) -> None:
        ready = sum(1 for m in self._members.values() if m.at_work)
        self._control.words[Control.WORKERS_READY] = ready

    def _on_death(self, member: Member) -> None:
        self._births.hear(member)  # its last words may be why
        end_group(member.pid)
        _, status = os.waitpid(member.pid, 0)
        self._outputs.end(member.pid)
        self._selector.unregister(member.pidfd)
        os.close(member.pidfd)
        if member.lifeline_fd >= 0:
            os.close(member.lifeline_fd)
        self._births.drop_report(member)
        del self._members[member.pid]
        row = self._control.workers[member.row]
        row[WorkerRow.PID] = row[WorkerRow.BUSY] = 0
        self._count()
        by_signal = os.WIFSIGNALED(status)
        death = rescue.Death(
            member.pid,
            repeatable=by_signal and member.project.idempotent,
            for_time_ns=self._overrun.run_ns if member.killed_for_time else 0,
            for_memory=os.WTERMSIG(status) == signal.SIGKILL and self._memory.ran_out(),
        )
        rescue.after_death(self._headers, self._channel, death, self._breaker.crashed)
        if member.retired:
            return
        self._control.words[Control.WORKER_DEATHS] += 1
        self._control.words[Control.OVERDUE_KILLS] += member.late_ns > 0  # the signal before the kill has ended it
        replaced = "; it is replaced" if self._hiring else ""
        _log.warning("worker %d ended by %s%s", member.pid, how_it_ended(status), replaced)
        if not member.ready and not member.said_why:
            self._births.template(member.project).standing.died()
        self._put_to_work()
        self.hire()

    def watch(self, now_ns: int) -> None:
        """Kill what is overdue or deaf, announce what was lost, replace what has grown. Called at every tick."""
        self._outputs.tick(now_ns)
        self._breaker.tick(now_ns)
        self._memory.tick(now_ns)
        self._overrun.watch(self._members.values(), now_ns)
        self._orphaned = rescue.end_orphaned(self._headers, self._channel, self.pids, self._orphaned)
        longest_wait_ns = self._lost.announce_again(now_ns)
        for member in silent(self._members.values(), self._control.workers, now_ns, longest_wait_ns):
            if not rescue.runs_a_frame(self._headers, member.pid):
                self._kill(member, "it is idle and does not look for frames")
        for member in doubted(self._members, self._control.fronts):
            self._kill(member, "it left an answer that cannot be right")
        self._births.watch(now_ns)
        self._watch_boots(now_ns)
        if self._births.forget_unused(self._members.values()):
            self._tidy()

    def _watch_boots(self, now_ns: int) -> None:
        boot_ms = self._settings.boot_ms
        for member in self._members.values():
            if member.report_fd >= 0 and not member.said_why and now_ns - member.born_ns > boot_ms * 1_000_000:
                os.kill(member.pid, signal.SIGKILL)  # it does not look at its lifeline while it loads
                member.said_why = True
                if not member.retired:
                    standing = self._births.template(member.project).standing
                    standing.failed(f"a worker did not load the project within {boot_ms} ms (boot_ms)")

    @staticmethod
    def _kill(member: Member, why: str) -> None:
        _log.warning("worker %d is killed: %s", member.pid, why)
        member.killed_for_time = True
        os.kill(member.pid, signal.SIGKILL)

    def reload(self, project: Project) -> None:
        """Load `project` in new workers beside the present ones; these go on until all new ones are ready."""
        self.give_up_reload()
        self._next_project = project
        self.hire()

    def give_up_reload(self) -> bool:
        """After a failed boot: drop the new project's workers; False where it was not a reload that failed."""
        if self._next_project is None:
            return False
        failed, self._next_project = self._next_project, None
        self._let_go(failed)
        return True

    def _let_go(self, project: Project) -> None:
        """Ask all of a version to end."""
        coming = self._births.give_up(project)
        for member in [*coming, *(m for m in self._members.values() if m.project is project)]:
            self._retire(member)

    def _retire(self, member: Member) -> None:
        """Ask one worker to finish its frame and go."""
        if not member.retired:
            member.retired = True
            os.close(member.lifeline_fd)
            member.lifeline_fd = -1

    def retire_all(self) -> None:
        """Ask all workers to finish and go; nobody replaces them."""
        self._hiring = False
        for member in [*self._births.end(at_once=False), *self._members.values()]:
            self._retire(member)

    def kill_all(self) -> None:
        """End all workers at once; nobody replaces them."""
        self._hiring = False
        for member in self._births.end(at_once=True):
            self._retire(member)
        for pid in self._members:
            os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        """Let go of all copies; no process is left that uses them."""
        self._births.close()


def _number_of(project: Project) -> int:
    return int(project.version or "0", 16)
