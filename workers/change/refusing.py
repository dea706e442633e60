"""A change comes to nothing: the status has it, the log, and who asked for it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from workers.change.attempt import names_of
from workers.pool.to_supervisor import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workers.memory.control import ControlPage
    from workers.pool.to_supervisor import Asked

_log = logging.getLogger(__name__)


class Refusing:
    """Says so; `running` returns the version that goes on."""

    def __init__(self, control: ControlPage, running: Callable[[], str]) -> None:
        self._control = control
        self._running = running

    def failed(self, why: str, asked: Sequence[Asked]) -> None:
        """The project is not loaded."""
        version = self._say(why)
        _log.error("the project was not reloaded, the one before goes on (version %s): %s", version, why)
        _tell(asked, version, why)

    def not_begun(self, why: str, asked: Sequence[Asked]) -> None:
        """Nothing was tried."""
        version = self._say(why)
        _log.error("version %s goes on, whatever %s asks for: %s", version, names_of(asked), why)
        _tell(asked, version, why)

    def _say(self, why: str) -> str:
        """Let the status have it, first: who has the answer may look there. Returns the version that goes on."""
        self._control.say_reload_failed(why)
        return self._running()


def _tell(asked: Sequence[Asked], version: str, why: str) -> None:
    for one in asked:
        one.tell(Outcome(done=False, version=version, before="", words=why))
