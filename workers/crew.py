"""The worker processes as the supervisor sees them: born, ready, at work, retired, dead, replaced."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import time
from typing import TYPE_CHECKING

import orjson

from workers import rescue
from workers.birth import Birth
from workers.breaker import Breaker
from workers.control import Control, WorkerRow
from workers.limits import MemoryWatch
from workers.member import Member, doubted, silent
from workers.output import Outputs
from workers.overrun import Overrun
from workers.pace import Pace
from workers.slot import headers
from workers.strays import end_group
from workers.warm import freeze
from workers.worker import Place, run_worker

if TYPE_CHECKING:
    from workers.arena import ArenaFile
    from workers.channel import Channel
    from workers.control import ControlPage
    from workers.flow.project import Project
    from workers.settings import PoolSettings

_log = logging.getLogger(__name__)

_SLOW_BOOT_NS = 30_000_000  # above this a dead worker is missed for longer than a frame: keep a spare
_MAX_BOOT_FAILURES = 5
_NOTHING_LEFT_S = 1.0  # between two tries to start a process where the machine has no room for one


class BootFailed(Exception):
    """A worker could not load the project; the message is the worker's own."""


class Crew:
    """Keeps the wanted number of workers at work."""

    def __init__(  # noqa: PLR0917 - the supervisor's own parts, in the order in which it makes them
        self,
        settings: PoolSettings,
        project: Project,
        arena: ArenaFile,
        channel: Channel,
        control: ControlPage,
        low: memoryview,
        selector: selectors.BaseSelector,
    ) -> None:
        self._settings = settings
        self._project = project
        self._arena = arena
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
        self._members: dict[int, Member] = {}
        self._boot_failures = 0
        self._wants_spare = False
        self._next_project: Project | None = None
        self._hiring = True
        self._has_worked = False
        self._hire_from_s = 0.0
        control.words[Control.WORKERS_WANTED] = settings.workers
        freeze()

    @property
    def size(self) -> int:
        """How many worker processes live, spares and retired ones included."""
        return len(self._members)

    @property
    def pids(self) -> set[int]:
        """All of these processes."""
        return set(self._members)

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
        extra = int(self._wants_spare) + int(self._grown() is not None)
        self._fill(self._project, self._settings.workers + extra)
        if self._next_project is not None:
            self._fill(self._next_project, self._settings.workers)

    def _fill(self, project: Project, wanted: int) -> None:
        present = sum(1 for m in self._members.values() if m.project is project and not m.retired)
        for _ in range(wanted - present):
            self._fork(project)

    def _fork(self, project: Project) -> None:
        taken = {m.row for m in self._members.values()}
        row = next((r for r in range(self._settings.worker_rows) if r not in taken), None)
        if row is None:  # the last generation is still on its way out; the next tick tries again
            return
        with Birth() as birth:
            report_read, report_write = birth.pipe_from()
            lifeline_read, lifeline_write = birth.pipe_to()
            output_read, output_write = birth.pipe_from(self._outputs.pipe)
            place = Place(
                row, report_write, lifeline_read, output_write, self._arena, self._channel, project, self._settings
            )
            pid, pidfd = birth.fork(lambda parent: run_worker(place, parent))
        self._outputs.follow(pid, output_read)
        member = Member(pid, pidfd, row, report_read, lifeline_write, project)
        self._members[pid] = member
        self._selector.register(member.pidfd, selectors.EVENT_READ, lambda: self._on_death(member))
        self._selector.register(member.report_fd, selectors.EVENT_READ, lambda: self._on_report(member))

    def _on_report(self, member: Member) -> None:
        message = os.read(member.report_fd, 65536)
        self._drop_report(member)
        if member.retired:
            return
        report = orjson.loads(message) if message else {}
        if "error" in report:
            self._boot_failures += 1
            raise BootFailed(str(report["error"]))
        if report:
            self._boot_failures = 0
            member.ready = self._has_worked = True
            self._wants_spare = self._wants_spare or report["boot_ns"] > _SLOW_BOOT_NS
            self._put_to_work()
            self.hire()

    def _drop_report(self, member: Member) -> None:
        if member.report_fd >= 0:
            self._selector.unregister(member.report_fd)
            os.close(member.report_fd)
            member.report_fd = -1

    def _put_to_work(self) -> None:
        """Give the go to ready members until enough are at work; on a reload, to all new ones at once."""
        reloaded = False
        fresh = [m for m in self._members.values() if m.ready and not m.retired]
        if self._next_project is not None:
            arrived = [m for m in fresh if m.project is self._next_project]
            if len(arrived) >= self._settings.workers:
                self._project, self._next_project = self._next_project, None
                reloaded = True
                self._breaker.reset()
                Pace(self._control.words).forget()
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
            member.went_ns = time.monotonic_ns()
            os.write(member.lifeline_fd, b"g")
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
        end_group(member.pid)
        _, status = os.waitpid(member.pid, 0)
        self._outputs.end(member.pid)
        self._selector.unregister(member.pidfd)
        os.close(member.pidfd)
        if member.lifeline_fd >= 0:
            os.close(member.lifeline_fd)
        if member.retired:
            self._drop_report(member)
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
        if not member.ready:
            self._on_stillbirth(member)
        self._control.words[Control.WORKER_DEATHS] += 1
        self._control.words[Control.OVERDUE_KILLS] += member.late_ns > 0  # the signal before the kill has ended it
        how = signal.Signals(os.WTERMSIG(status)).name if by_signal else f"exit status {os.WEXITSTATUS(status)}"
        _log.warning("worker %d ended by %s%s", member.pid, how, "; it is replaced" if self._hiring else "")
        self._put_to_work()
        self.hire()

    def _on_stillbirth(self, member: Member) -> None:
        """It died before it could say why; a worker that said why has raised BootFailed already."""
        if member.report_fd >= 0:
            self._on_report(member)
        self._boot_failures += 1
        if self._boot_failures >= _MAX_BOOT_FAILURES or member.project is self._next_project:
            raise BootFailed("workers die while they load the project, without a message of their own")

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
        for member in self._members.values():
            if member.report_fd >= 0 and now_ns - member.born_ns > self._settings.boot_ms * 1_000_000:
                os.kill(member.pid, signal.SIGKILL)  # it does not look at its lifeline while it loads
                if member.retired:
                    continue
                raise BootFailed(f"a worker did not load the project within {self._settings.boot_ms} ms (boot_ms)")

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
        for member in [m for m in self._members.values() if m.project is failed]:
            self._retire(member)
        return True

    def _retire(self, member: Member) -> None:
        """Ask one worker to finish its frame and go."""
        if not member.retired:
            member.retired = True
            os.close(member.lifeline_fd)
            member.lifeline_fd = -1

    def retire_all(self) -> None:
        """Ask all workers to finish and go; nobody replaces them."""
        self._hiring = False
        for member in self._members.values():
            self._retire(member)

    def kill_all(self) -> None:
        """End all workers at once; nobody replaces them."""
        self._hiring = False
        for pid in self._members:
            os.kill(pid, signal.SIGKILL)
