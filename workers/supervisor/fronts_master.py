"""The fronts' master as the supervisor sees it: a program, and how many of its fronts can take requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from workers.supervisor.program import Command, Program, ProgramPlan

if TYPE_CHECKING:
    import selectors

BOOT_S = 30.0


class FrontsMaster(Program):
    """It has `wanted` fronts, of which each tells the supervisor once it is ready."""

    def __init__(
        self,
        command: Callable[[], Command],
        wanted: int,
        selector: selectors.BaseSelector,
        on_ended: Callable[[int], None],
    ) -> None:
        super().__init__(ProgramPlan("the fronts' master", command), selector, on_ended)
        self._wanted = wanted
        self._ready = 0

    @property
    def are_ready(self) -> bool:
        """Whether all fronts can take requests."""
        return self._ready >= self._wanted

    @property
    def are_late(self) -> bool:
        """Whether they have had all the time that they may take to get ready."""
        return self.age_s > BOOT_S

    def start(self) -> None:
        """See Program."""
        self._ready = 0
        super().start()

    def one_is_ready(self) -> None:
        """Hear it from one of them."""
        self._ready += 1
