"""How the server ends: it asks, waits until one deadline, kills what is left, and says how many of each.

::

    RUNNING --begin--> DRAINING --> RETIRING --> CLOSING --> over
                       fronts       workers,     programs that take on what frames have left
                          |         what fronts needed
                          |            |            |
                          '------------+------------'--- the deadline, or asked again ---> KILLED --> over
"""

from __future__ import annotations

import enum
import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from workers.supervisor.exits import Exit, how_it_ended
from workers.supervisor.program import Ends

if TYPE_CHECKING:
    from workers.crew.crew import Crew
    from workers.settings import PoolSettings
    from workers.supervisor.program import Program

_log = logging.getLogger(__name__)


class _Phase(enum.Enum):
    RUNNING = enum.auto()
    DRAINING = enum.auto()
    RETIRING = enum.auto()
    CLOSING = enum.auto()
    KILLED = enum.auto()


class Ending:
    """Where the server stands on its way to the end.

    `abandon` kills what is only on its way here, and `is_left` says whether some of that still lives.
    """

    def __init__(
        self,
        settings: PoolSettings,
        crew: Crew,
        fronts: Program,
        beside: Sequence[Program],
        *,
        abandon: Callable[[], None],
        is_left: Callable[[], bool],
    ) -> None:
        self.status = Exit.STOPPED
        self._settings = settings
        self._crew = crew
        self._fronts = fronts
        self._beside = beside
        self._abandon = abandon
        self._is_left = is_left
        self._phase = _Phase.RUNNING
        self._give_up_at_s = 0.0
        self._asked = 0
        self._cut_short_before = 0

    @property
    def is_running(self) -> bool:
        """Whether it has not begun."""
        return self._phase is _Phase.RUNNING

    @property
    def was_forced(self) -> bool:
        """Whether what was left was killed."""
        return self._phase is _Phase.KILLED

    @property
    def is_over(self) -> bool:
        """Whether nothing is left."""
        living = self._fronts.pids or self._crew.size or any(one.pids for one in self._beside) or self._is_left()
        return self._phase is not _Phase.RUNNING and not living

    def begin(self) -> None:
        """Ask everything to end, one after the other."""
        self._phase = _Phase.DRAINING
        self._abandon()
        self._give_up_at_s = time.monotonic() + self._settings.stop_s
        self._cut_short_before = self._crew.cut_short
        self._asked = self._crew.size + 1 + sum(len(one.pids) for one in self._beside)
        self._end_those(Ends.WITH_FRONTS)
        if self._fronts.pids:
            self._fronts.terminate()
        else:
            self._retire()

    def fronts_have_ended(self) -> bool:
        """Hear that the fronts' master has; returns whether that was due."""
        if self._phase is _Phase.DRAINING:
            self._retire()
        return self._phase is not _Phase.RUNNING

    def watch(self) -> None:
        """Take the next step where it is due. Called at every tick."""
        needed = any(one.pids for one in self._beside if one.plan.ends is Ends.BEHIND_FRONTS)
        if self._phase is _Phase.RETIRING and not self._crew.size and not needed:
            self._phase = _Phase.CLOSING
            self._end_those(Ends.AFTER_WORKERS)
        if self._phase not in {_Phase.RUNNING, _Phase.KILLED} and time.monotonic() > self._give_up_at_s:
            _log.error("not everything ended in time; the rest is killed")
            self.kill(Exit.STOPPED_BY_FORCE)

    def end_at_once(self) -> None:
        """Be asked again, or before it was ready: then there is nothing to wait for."""
        if self._phase in {_Phase.DRAINING, _Phase.RETIRING, _Phase.CLOSING}:
            _log.warning("asked to stop a second time: the rest is killed")
            self.status = Exit.STOPPED_BY_FORCE
        self._retire()
        self.kill()

    def kill(self, status: Exit | None = None) -> None:
        """Kill everything; the server ends with `status`, or the one that it has."""
        self._phase = _Phase.KILLED
        self.status = self.status if status is None else status
        programs = (self._fronts, *self._beside)
        self._asked = max(self._asked, self._crew.size + sum(len(one.pids) for one in programs))
        self._crew.kill_all()
        self._abandon()
        for program in programs:
            program.kill()

    def how(self, *, was_ready: bool) -> str:
        """Say how it went."""
        cut_short = self._crew.cut_short - self._cut_short_before
        return how_it_ended(
            self.status, self._asked, was_ready=was_ready, by_force=self.was_forced, cut_short=cut_short
        )

    def _retire(self) -> None:
        self._phase = _Phase.RETIRING
        self._crew.retire_all()
        self._end_those(Ends.BEHIND_FRONTS)

    def _end_those(self, ends: Ends) -> None:
        for program in self._beside:
            if program.plan.ends is ends:
                program.terminate()
