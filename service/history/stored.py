"""The history as a front asks it: opened when somebody does for the first time, so that a front alone loads none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from service.errors import HistoryAway, NoHistory

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Engine


class Stored:
    """The database at `path`, None where this server keeps none; for all threads of a process.

    Every method raises NoHistory where there is none, HistoryAway where it cannot be reached.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._reading: Engine | None = None
        self._writing: Engine | None = None

    @property
    def is_kept(self) -> bool:
        """Whether this server keeps a history."""
        return self._path is not None

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
        if self._path is None:
            raise NoHistory('this server keeps no history: its setting record is "off"')
        # imported here: a front that nobody asks does without
        from service.history.database import AnotherForm, is_trouble  # noqa: PLC0415

        try:
            with self._engine(writes=writes).begin() as connection:
                yield connection
        except AnotherForm as error:
            raise HistoryAway(f"the history is of another version of the server: {error}") from None
        except Exception as error:
            if not is_trouble(error):
                raise
            raise HistoryAway(f"the history cannot be reached now: {getattr(error, 'orig', None) or error}") from None

    def _engine(self, *, writes: bool) -> Engine:
        from service.history.database import open_beside, open_to_read  # noqa: PLC0415 - see above

        assert self._path is not None
        with self._lock:
            if writes:
                self._writing = self._writing or open_beside(self._path)
                return self._writing
            self._reading = self._reading or open_to_read(self._path)
            return self._reading
