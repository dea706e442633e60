"""The worker processes as the supervisor sees them: asked for, ready, at work, retired, dead, replaced."""

from __future__ import annotations

import logging
import selectors
from typing import TYPE_CHECKING, Any

from workers.containment.log import Outputs
from workers.crew.fork import how_it_ended
from workers.crew.hiring import Hiring
from workers.crew.losses import Losses
from workers.crew.member import Member
from workers.crew.shift import Shift
from workers.crew.template_process import Household
from workers.crew.templates import Templates
from workers.flow.project import modules_of
from workers.memory.module_table import ModuleTable
from workers.worker.preload import freeze

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.flow.project import Project
    from workers.memory.arena import ArenaFile
    from workers.memory.control import ControlPage
    from workers.pool.channel import Channel
    from workers.settings import PoolSettings

_log = logging.getLogger(__name__)


class Crew:
    """Keeps the wanted number of workers at work; `tidy` removes unused copies, `enter` see Supervisor."""

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
        enter: Callable[[Project, Project], None] = lambda *_: None,
    ) -> None:
        self._settings = settings
        self._control = control
        self._selector = selector
        self._tidy = tidy
        self._enter = enter
        self._members: dict[int, Member] = {}
        self._outputs = Outputs(selector)
        house = Household(settings, arena, channel, selector, self._outputs)
        self._templates = Templates(house, self.hire)
        self._templates.of(project)  # from here on its copy is held
        self._births = Hiring(house, self._templates, self._on_arrival, self._on_report)
        self._modules = ModuleTable(low, arena.geometry, control.words)
        self._losses = Losses(house, low, control, members=self._members, modules=self._modules)
        self.shift = Shift(
            settings.workers,
            project,
            control,
            births=self._births,
            members=self._members,
            breaker=self._losses.breaker,
        )
        self._modules.enter(modules_of(project.steps))
        enter(project, project)
        self._hiring = True
        self._has_worked = False
        freeze()

    @property
    def size(self) -> int:
        """How many processes live, templates, spares and retired workers included."""
        return len(self._members) + len(self._templates.pids) + len(self._births.coming)

    @property
    def pids(self) -> set[int]:
        """All of these processes."""
        return set(self._members) | self._templates.pids

    @property
    def complete(self) -> bool:
        """Whether every wanted worker can take a frame."""
        return self._control.workers_ready >= self._settings.workers

    @property
    def cut_short(self) -> int:
        """How many workers were killed because their code took too long at their end."""
        return self._losses.cut_short

    def hire(self) -> None:
        """Have workers made that are missing, and a spare where making them takes long.

        Raises:
            OSError: a process or its pipes cannot be made, before any worker was ready; later it is tried again.
        """
        if self._hiring:
            self.shift.hire(is_first=not self._has_worked)

    def _on_arrival(self, member: Member) -> None:
        self._members[member.pid] = member
        self._selector.register(member.pidfd, selectors.EVENT_READ, lambda: self._on_death(member))

    def _on_report(self, member: Member, report: dict[str, Any]) -> None:
        if member.retired:
            return
        template = self._templates.of(member.project)
        if "error" in report:
            member.said_why = True
            template.standing.failed(report["error"])
            return
        template.standing.worked()
        member.ready = self._has_worked = True
        if not template.loads:
            template.has_loaded(report["boot_ns"])
        self.shift.put_to_work()
        self.hire()

    def _on_death(self, member: Member) -> None:
        self._births.hear(member)  # its last words may be why
        status = self._losses.reap(member)
        self._selector.unregister(member.pidfd)
        member.close()
        self._births.drop_report(member)
        del self._members[member.pid]
        self.shift.count()
        if member.retired:
            return
        replaced = "; it is replaced" if self._hiring else ""
        _log.warning("worker %d ended by %s%s", member.pid, how_it_ended(status), replaced)
        if not member.ready and not member.said_why:
            self._templates.of(member.project).standing.died()
        self.shift.put_to_work()
        self.hire()

    def watch(self, now_ns: int) -> None:
        """Look after everybody. Called at every tick."""
        self._outputs.tick(now_ns)
        self._losses.watch(self.pids, now_ns)
        self._births.watch(now_ns)
        self._births.watch_loading(self._members.values(), now_ns)
        if self._templates.forget_unused([m.project for m in (*self._members.values(), *self._births.coming)]):
            self._tidy()

    def reload(self, project: Project, *, held: bool = False) -> None:
        """Load `project` in new workers beside the present ones; these go on until all new ones are ready.

        While it is `held` there are none: so it is until its proof is done.
        """
        self._modules.enter(modules_of(project.steps))
        self._enter(project, self.shift.project)
        self.shift.reload(project, held=held)
        self.hire()

    def let_come(self) -> None:
        """Have workers made of the project that was held."""
        self.shift.held = False
        self.hire()

    def give_up_reload(self) -> bool:
        """After a failed boot: drop the new project's workers; False where it was not a reload that failed."""
        return self.shift.give_up_reload()

    def retire_all(self) -> None:
        """Ask all workers to finish and go; nobody replaces them."""
        self._hiring = False
        self._templates.end(at_once=False)
        self.shift.retire_all()

    def kill_all(self) -> None:
        """End all workers at once; nobody replaces them."""
        self._hiring = False
        self._templates.end(at_once=True)
        self.shift.kill_all()

    def close(self) -> None:
        """Let go of all copies; no process is left that uses them."""
        self._templates.close()
