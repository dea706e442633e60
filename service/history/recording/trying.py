"""Doing a thing with the database as often as it takes; how it goes is on the page that fronts read.

Where it cannot be written to it is opened anew, and the frames are in nobody's way meanwhile: the ring keeps the last
of them, and what it could not keep is counted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from service.history.database import is_trouble, told_of
from service.history.places.damage import is_damage
from service.history.told import State, Told

if TYPE_CHECKING:
    from service.history.writing.store import Store
    from service.results.follow import Follower

_log = logging.getLogger(__name__)

_PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0)
_SAY_S = 60.0
_LAST_TRIES_S = 2.0

_T = TypeVar("_T")


class GivenUp(Exception):
    """The server ends, and the database is still away."""


class Away(Exception):
    """The database was away for as long as one would wait."""


class Trying:
    """A way into the database, for one thread: `open_store` opens it anew, `told_fd` is the page that fronts read.

    `must_end` says whether the server has asked the recorder to end.
    """

    def __init__(
        self, follower: Follower, open_store: Callable[[], Store], told_fd: int, must_end: Callable[[], bool]
    ) -> None:
        self._follower = follower
        self._open_store = open_store
        self._told_fd = told_fd
        self._told = Told.read(told_fd)
        self._must_end = must_end
        self._store: Store | None = None
        self._said_at_s = float("-inf")
        self._give_up_at_s = float("inf")

    @property
    def _is_ending(self) -> bool:
        if self._must_end() or self._follower.is_over:
            self._give_up_at_s = min(self._give_up_at_s, time.monotonic() + _LAST_TRIES_S)
            return True
        return False

    def _try(self, step: Callable[[Store], _T], within_s: float = float("inf")) -> _T:
        """Do it as often as it takes, until the server ends; raises Away where it cannot be done `within_s`."""
        tries, until_s = 0, time.monotonic() + within_s
        while True:
            try:
                if self._store is None:
                    self._store = self._open_store()
                done = step(self._store)
            except Exception as error:
                if not is_trouble(error):
                    raise
                self._note(error)
                if self._is_ending and time.monotonic() >= self._give_up_at_s:
                    raise GivenUp from None
                if time.monotonic() >= until_s:
                    raise Away from None
                self._pause(_PAUSES_S[min(tries, len(_PAUSES_S) - 1)])
                tries += 1
            else:
                self._tell(self._told._replace(state=State.RECORDING))
                return done

    def _note(self, error: Exception) -> None:
        """Tell of a database that is in trouble; it is opened anew."""
        store = self._store
        self._close()
        if store is not None and is_damage(error):
            store.set_aside()
        said = told_of(error)
        self._tell(Told(State.WAITING, self._told.recorded, self._told.missed, self._told.failures + 1, said))
        if time.monotonic() - self._said_at_s >= _SAY_S:
            self._said_at_s = time.monotonic()
            _log.error("the history cannot be written: %s; it is tried again", said)

    def _pause(self, pause_s: float) -> None:
        time.sleep(pause_s)

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def _tell(self, told: Told) -> None:
        if told != self._told:
            if told.state is State.RECORDING and self._told.state is State.WAITING:
                _log.info("the history can be written again")
            self._told = told
            told.write(self._told_fd)
