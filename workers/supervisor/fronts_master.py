"""The fronts' master as the supervisor sees it: a program, and how many of its fronts can take requests."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from workers.supervisor.program import Command, Program, ProgramPlan

if TYPE_CHECKING:
    import selectors

_log = logging.getLogger(__name__)

BOOT_S = 30.0


class FrontsMaster(Program):
    """It has `wanted` fronts, of which each tells the supervisor once it is ready.

    `ended` is told that the master has ended, and returns whether that was due; `fail` that fronts never got ready.
    """

    def __init__(
        self,
        command: Callable[[], Command],
        wanted: int,
        selector: selectors.BaseSelector,
        *,
        ended: Callable[[], bool],
        fail: Callable[[], None],
    ) -> None:
        super().__init__(ProgramPlan("the fronts' master", command), selector, self._on_ended)
        self.have_served = False  # said by the supervisor: from then on the master is started again, whatever happens
        self._wanted = wanted
        self._ready = 0
        self._ended = ended
        self._fail = fail

    @property
    def are_ready(self) -> bool:
        """Whether all fronts can take requests."""
        return self._ready >= self._wanted

    def start(self) -> None:
        """Start the master; raises OSError where it has never served, else it is tried again."""
        self._ready = 0
        try:
            super().start()
        except OSError as error:
            if not self.have_served:
                raise
            _log.error("the HTTP fronts cannot be started at the moment: %s; it is tried again", error)

    def one_is_ready(self) -> None:
        """Hear it from one of them."""
        self._ready += 1

    def check_in_time(self) -> None:
        """Fail where they have had all the time that they may take to get ready."""
        if not self.have_served and self.age_s > BOOT_S:
            _log.error("no HTTP front was ready within %d s", BOOT_S)
            self._fail()

    def _on_ended(self, status: int) -> None:
        if self._ended():
            return
        if self.have_served:
            _log.warning("the fronts' master ended with status %d; it is started again", status)
        else:
            _log.error("the HTTP fronts did not start (exit status %d); their message is above", status)
            self._fail()
