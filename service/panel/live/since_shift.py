"""How many frames had which verdict since the shift began, by the history; without one since the server started."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from workers.errors import FramemillError

if TYPE_CHECKING:
    from service.history.stored import Stored

_PAUSE_S = 1.0


class Counts(NamedTuple):
    """Frames by what became of them; `since_ns` is None where that is the server's start."""

    ok: int
    nok: int
    off: int
    error: int
    held: int
    since_ns: int | None = None


class SinceShift:
    """Asks the history once a second at most, for all pages; `begins_ns` tells when the shift of a time began.

    Sums of quarters of an hour are few however many frames there are; a shift begins with one.
    """

    def __init__(self, stored: Stored, begins_ns: Callable[[int], int]) -> None:
        self._stored = stored
        self._begins_ns = begins_ns
        self._found: Counts | None = None
        self._ask_from_s = 0.0
        self._lock = threading.Lock()

    def __call__(self, frames: Mapping[str, Any]) -> Counts:
        """Return the counts; `frames` are those since the server's start, as status has them."""
        if self._stored.is_kept and self._lock.acquire(blocking=False):
            try:
                if time.monotonic() >= self._ask_from_s:
                    self._found = self._asked()
                    self._ask_from_s = time.monotonic() + _PAUSE_S
            except FramemillError:
                self._found = None
                self._ask_from_s = time.monotonic() + _PAUSE_S
            finally:
                self._lock.release()
        return self._found or Counts(
            frames["ok"], frames["nok"], frames["process_off"], frames["errors"], frames["held"]
        )

    def _asked(self) -> Counts | None:
        # imported here: a front that nobody asks does without
        from sqlalchemy import func, select  # noqa: PLC0415

        from service.history.schema.quarter_tables import QUARTERS  # noqa: PLC0415

        since_ns = self._begins_ns(time.time_ns())
        columns = QUARTERS.c
        sums = [func.sum(columns[name]) for name in Counts._fields[:-1]]
        with self._stored.read() as connection:
            found = connection.execute(select(*sums).where(columns.begin_ns >= since_ns)).one()
        return None if found[0] is None else Counts(*map(int, found))._replace(since_ns=since_ns)
