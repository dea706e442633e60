"""Who is told of a frame while it runs, for it may be the last thing that its process says.

The module at work is a word that all processes read; what is printed goes to the worker's black box; an exception goes
to the log, each kind once a minute. A process that is no worker has a plain `Witness`, whose log is its own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from workers.memory.control import WorkerRow
from workers.memory.crash_table import QUIET_NS
from workers.memory.module_table import OUTSIDE
from workers.told.tracebacks import traceback_of

if TYPE_CHECKING:
    from workers.memory.crash_table import CrashTable
    from workers.told.black_box import Writing

_log = logging.getLogger(__name__)

_MOST_KINDS = 64
_MOST_CHARACTERS = 500  # of an exception's text before its traceback


class _Streams(Protocol):
    """What user code prints to."""

    def listen(self, heard: Callable[[int, bytes], None]) -> None:
        """Tell `heard` all that is printed, by the number of the stream, 0 or 1."""


class Witness:
    """One for a process; `folder` is the project's, whose files are named as relative to it."""

    def __init__(self, folder: str = "") -> None:
        self.folder = folder
        self._places: Mapping[int, int] = {}
        self._logged: dict[str, tuple[int, int]] = {}

    def begin(self, streams: _Streams) -> None:
        """A frame begins, and prints to `streams`."""

    def at(self, module_id: int) -> None:
        """The module `module_id` is at work, or none where that is 0."""

    def failed_in(self, errors: Sequence[Any]) -> int:
        """What a front is told of a frame with these `errors`: 1 + the place of the module that the first is of.

        With that one the flow ended. What user code may have written for a module's id is none of them.
        """
        first = errors[0] if errors else None
        module_id = first.get("moduleId") if isinstance(first, dict) else None
        return 1 + (self._places.get(module_id, OUTSIDE) if type(module_id) is int else OUTSIDE)

    def crashed(self, error: BaseException, told: Mapping[str, Any], where: str) -> None:
        """Log an exception, `told` as it is in `errors`, that came out of the module `where`."""
        place = f"{told['file']}, line {told['line']}" if told.get("file") else "no file of the project"
        since = self._is_new(f"{told['type']}, {place}, {where}", time.monotonic_ns())
        if since is None:
            return
        message = str(told["message"])[:_MOST_CHARACTERS]
        more = f" ({since:,} more like it since it was logged last)" if since else ""
        trace = traceback_of(error, self.folder)
        _log.error("%s raised %s at %s: %s%s\n%s", where, told["type"], place, message, more, trace.rstrip("\n"))

    def _is_new(self, kind: str, now_ns: int) -> int | None:
        logged_ns, since = self._logged.get(kind, (0, 0))
        if logged_ns and now_ns < logged_ns + QUIET_NS:
            self._logged[kind] = logged_ns, since + 1
            return None
        if len(self._logged) >= _MOST_KINDS:
            self._logged.clear()
        self._logged[kind] = now_ns, 0
        return since


class WorkerWitness(Witness):
    """A worker's, which others can read: its `row` of the control page, its black box, and what all have logged."""

    def __init__(
        self, folder: str, row: memoryview, places: Mapping[int, int], crashes: CrashTable, box: Writing | None = None
    ) -> None:
        super().__init__(folder)
        self._row = row
        self._places = places
        self._crashes = crashes
        self._box = box

    def begin(self, streams: _Streams) -> None:
        """A frame begins, and prints to `streams`."""
        if self._box is not None:
            self._box.begin()
            streams.listen(self._box.print)

    def at(self, module_id: int) -> None:
        """The module `module_id` is at work, or none where that is 0."""
        self._row[WorkerRow.MODULE] = self._places.get(module_id, OUTSIDE)

    def _is_new(self, kind: str, now_ns: int) -> int | None:
        return self._crashes.is_new(kind, now_ns)
