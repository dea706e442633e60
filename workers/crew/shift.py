"""Which workers are at work: as many as wanted, all of one version; on a reload all change at once."""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import TYPE_CHECKING

from workers.admission.pace import Pace
from workers.memory.control import Control, WorkerRow

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from workers.crew.breaker import Breaker
    from workers.crew.hiring import Hiring
    from workers.crew.member import Member
    from workers.crew.template_process import TemplateProcess
    from workers.flow.project import Project
    from workers.memory.control import ControlPage

_log = logging.getLogger(__name__)

_NOTHING_LEFT_S = 1.0  # between two tries to start a process where the machine has no room for one


class Shift:
    """`project` is the version at work, `next_project` the one that a reload brings; `members` are the crew's.

    While the next one is `held` it has its template and no workers.
    """

    def __init__(
        self,
        wanted: int,
        project: Project,
        control: ControlPage,
        *,
        births: Hiring,
        members: MutableMapping[int, Member],
        breaker: Breaker,
    ) -> None:
        self.project = project
        self.next_project: Project | None = None
        self.held = False
        self._wanted = wanted
        self._control = control
        self._births = births
        self._members = members
        self._breaker = breaker
        self._hire_from_s = 0.0
        control.words[Control.WORKERS_WANTED] = wanted
        control.words[Control.FLOW_VERSION] = _number_of(project)

    def hire(self, *, is_first: bool) -> None:
        """Ask for workers that are missing: of the version at work, a spare included, and of the next one.

        The control page says whether those of the version at work are likely to come.

        Raises:
            OSError: a process or its pipes cannot be made where `is_first`; otherwise it is tried again a bit later.
        """
        self._control.words[Control.HOPEFUL] = self.template(self.project).standing.is_hopeful
        if time.monotonic() < self._hire_from_s:
            return
        try:
            self._fill()
        except OSError as error:
            if is_first:
                raise
            _log.error("no worker can be started at the moment: %s; it is tried again", error)
            self._hire_from_s = time.monotonic() + _NOTHING_LEFT_S

    def _fill(self) -> None:
        extra = int(self._births.templates.of(self.project).wants_spare) + int(self._grown() is not None)
        self._births.fill(self.project, self._wanted + extra, self._members.values())
        if self.next_project is not None:
            self._births.fill(self.next_project, 0 if self.held else self._wanted, self._members.values())

    def put_to_work(self) -> None:
        """Give the go to ready members until enough are at work; on a reload, to all new ones at once."""
        fresh = [m for m in self._members.values() if m.ready and not m.retired]
        reloaded = self._change_version([m for m in fresh if m.project is self.next_project])
        waiting = [m for m in fresh if not m.at_work and m.project is self.project]
        grown = self._grown()
        if waiting and grown is not None:  # its successor is there: no frame waits for the change
            self._control.words[Control.RECYCLED] += 1
            retire(grown)
        for member in waiting:
            if self._at_work() >= self._wanted:
                break
            member.go()
        self.count()
        self._control.words[Control.RELOADS] += reloaded  # last: whoever reads it meets the new project only

    def _change_version(self, arrived: list[Member]) -> bool:
        """Let the next version take over where enough of its workers have arrived; returns whether it did."""
        if self.next_project is None or len(arrived) < self._wanted:
            return False
        before, self.project, self.next_project = self.project, self.next_project, None
        self._breaker.reset()
        Pace(self._control.words).forget()
        self._control.words[Control.FLOW_VERSION] = _number_of(self.project)
        self._let_go(before)
        for member in [m for m in self._members.values() if m.project is not self.project]:
            retire(member)
        return True

    def _grown(self) -> Member | None:
        """The worker that is to be replaced next because it grew; one at a time."""
        rows = self._control.workers
        return next((m for m in self._members.values() if m.at_work and rows[m.row][WorkerRow.GROWN]), None)

    def _at_work(self) -> int:
        return sum(1 for m in self._members.values() if m.at_work)

    def count(self) -> None:
        """Say in the control page how many can take a frame."""
        self._control.words[Control.WORKERS_READY] = self._at_work()

    def reload(self, project: Project, *, held: bool) -> None:
        """Have `project` follow: its workers are made beside the present ones, which go on until all are ready."""
        self.give_up_reload()
        self.next_project, self.held = project, held

    def template(self, project: Project) -> TemplateProcess:
        """The template of one of the two."""
        return self._births.templates.of(project)

    def give_up_reload(self) -> bool:
        """Drop the next version's workers; False where there is no next one."""
        if self.next_project is None:
            return False
        failed, self.next_project = self.next_project, None
        self._let_go(failed)
        return True

    def _let_go(self, project: Project) -> None:
        """Ask all of a version to end."""
        coming = self._births.give_up(project)
        for member in [*coming, *(m for m in self._members.values() if m.project is project)]:
            retire(member)

    def retire_all(self) -> None:
        """Ask all to finish and go, those that are on their way included."""
        for member in [*self._births.coming, *self._members.values()]:
            retire(member)

    def kill_all(self) -> None:
        """End all at once; those that are on their way find nobody who waits for them."""
        for member in self._births.coming:
            retire(member)
        for pid in self._members:
            os.kill(pid, signal.SIGKILL)


def retire(member: Member) -> None:
    """Ask one worker to finish its frame and go."""
    if not member.retired:
        member.retired = True
        os.close(member.lifeline_fd)
        member.lifeline_fd = -1


def _number_of(project: Project) -> int:
    return int(project.version or "0", 16)
