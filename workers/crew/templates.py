"""The templates of all versions that are used: one for each, whose copy is held until nobody uses it any more."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from workers.crew.standing import Standing
from workers.crew.template_process import Household, TemplateProcess
from workers.versions.shelf import hold

if TYPE_CHECKING:
    from workers.flow.project import Project

_log = logging.getLogger(__name__)

_TRIES = 5  # of a project that the server starts with; one that replaces another has one


class Templates:
    """By version; `due` is called whenever one of them may be asked for workers."""

    def __init__(self, house: Household, due: Callable[[], None]) -> None:
        self._house = house
        self._due = due
        self._processes: dict[int, TemplateProcess] = {}  # by the identity of their projects
        self._locks: dict[int, int] = {}

    @property
    def pids(self) -> set[int]:
        """The processes of all templates."""
        return {template.pid for template in self._processes.values() if template.pid}

    def of(self, project: Project) -> TemplateProcess:
        """The template of this version; it is made if there is none."""
        key = id(project)
        if key not in self._processes:
            standing = Standing(1 if self._processes else _TRIES)
            self._locks[key] = hold(project.folder)
            self._processes[key] = TemplateProcess(project, self._house, standing, self._due)
        return self._processes[key]

    def watch(self, late: Collection[int], now_ns: int) -> None:
        """End those that take too long to load, and `late`, which do not fork; raises BootFailed."""
        for template in list(self._processes.values()):
            if template.pid in late:
                _log.error("the template %d does not fork; it is killed and made again", template.pid)
                template.kill()
            template.watch(now_ns)

    def forget_unused(self, used: Collection[Project]) -> bool:
        """Let go of the copies of versions that are not among `used` any more; returns whether there were such."""
        kept = {id(project) for project in used}
        unused = [key for key, template in self._processes.items() if template.is_over and key not in kept]
        for key in unused:
            del self._processes[key]
            os.close(self._locks.pop(key))
        return bool(unused)

    def end(self, *, at_once: bool) -> None:
        """Have all of them end. At once: whatever they are doing."""
        for template in self._processes.values():
            template.give_up()
            if at_once:
                template.kill()

    def close(self) -> None:
        """Let go of all copies."""
        while self._locks:
            os.close(self._locks.popitem()[1])
