"""The history as a front asks it: opened when somebody does for the first time, so that a front alone loads none."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from service.own_errors import HistoryAway, NoHistory

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from service.history.places.place import Place

_log = logging.getLogger(__name__)


class Stored:
    """The database at `place`, None where this server keeps none; for all threads of a process.

    Every method raises NoHistory where there is none, HistoryAway where it cannot be reached.
    """

    def __init__(self, place: Place | None) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._file: tuple[int, int] | None = None
        self._reading: Engine | None = None
        self._writing: Engine | None = None

    @property
    def is_kept(self) -> bool:
        """Whether this server keeps a history."""
        return self._place is not None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Ask it: all that is read in the block is of one moment."""
        with self._begun(writes=False) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Write to it, beside the recorder: all of the block, or nothing of it where it raises."""
        with self._begun(writes=True) as connection:
            yield connection

    @contextmanager
    def _begun(self, *, writes: bool) -> Iterator[Connection]:
        if self._place is None:
            raise NoHistory('this server keeps no history: its setting record is "off"')
        # imported here: a front that nobody asks does without
        from service.history.database import AnotherForm, is_trouble, told_of  # noqa: PLC0415

        try:
            with self._engine(self._place, writes=writes).begin() as connection:
                yield connection
        except AnotherForm as error:
            raise HistoryAway(f"the history is of another version of the server: {error}") from None
        except Exception as error:
            if not is_trouble(error):
                raise
            _log.warning("the history cannot be reached: %s", told_of(error))
            raise HistoryAway("the history cannot be reached now; the server's log says why") from None

    def _engine(self, place: Place, *, writes: bool) -> Engine:
        from service.history.database import open_beside, open_to_read  # noqa: PLC0415 - see above
        from service.history.places.sqlite import file_of  # noqa: PLC0415

        with self._lock:
            if isinstance(place, Path) and (file := file_of(place)) != self._file:
                # another one lies there: the recorder has set the one before aside, or somebody took it away
                self.close()
                self._file = file
            if writes:
                self._writing = self._writing or open_beside(place)
                return self._writing
            self._reading = self._reading or open_to_read(place)
            return self._reading

    def close(self) -> None:
        """Let go of the database; it is opened anew where it is asked again."""
        for engine in (self._reading, self._writing):
            if engine is not None:
                engine.dispose()
        self._reading = self._writing = None
