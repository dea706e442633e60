"""The control page and the counters: what all processes may read at any time.

Control page (words are unsigned 64-bit, native order)::

    word  0  magic and version
          1  open          1 once fronts may take connections                        supervisor
          2  stopping      1 from the moment the server is asked to stop
          3  workers_ready how many workers can take a frame now                     supervisor
          4  workers_wanted                                                          supervisor
          5  worker_deaths since start                                               supervisor
          6  overdue_kills workers killed because their frame ran longer than run_ms supervisor
          7  started_ns    CLOCK_MONOTONIC                                           supervisor
          8  reloads       how often the project was loaded anew                     supervisor
          9  flow          0 takes frames, 1 refused, 2 one may try (breaker.py)     supervisor, fronts
         10  recycled      workers that were replaced because they grew              supervisor
         11  followed      1 once another server has taken over                      supervisor
         12  lately_ns     how long flows lately take, 0 for unknown (pace.py)       workers, supervisor
         13  spread_ns     how far from it they lie                                  workers
         14  measured_ns   when that was measured, CLOCK_MONOTONIC                   workers
         15  flow_version  hash of the project's version that runs                   supervisor
         16  modules       how many places of the table of modules are taken         supervisor
         17  hopeful       1 while missing workers are on their way                  supervisor
         24  failures      reloads that failed                                       supervisor
         25  failure_bytes of the text that says why the last one did, from byte 1024 on

A front's row::

    word  0  pid
          1  last_slot, 2  last_generation, 3  last_done_ns   the frame that /last_image shows
          4  doubted_pid   a worker that left an answer that cannot be right; the supervisor sets it back
          5  connections   that it has now
          6  turned_ns     when its main loop last came round, CLOCK_MONOTONIC; 0 where it takes no connections
          8  and on        counters, see counters.py

A worker's row::

    word  0  pid, 0 while the place is empty
          1  busy_slot + 1, 0 while idle
          2  frames done by this process
          3  boot_ns  time from fork to ready
          4  heard_ns when it last looked for a job, CLOCK_MONOTONIC
          5  grown    1 once it asks to be replaced
          6  answered frames whose flow came to its end
          7  shows    slot + 1 of the kept frame that it draws again, 0 else (newest.py)
          8  module   place of the module at work in the table of modules, 0 outside of all
         16  ends_ns  when it began what user code does at its end, CLOCK_MONOTONIC; 0 before

Each row has one writer; a front adds to its counters under its own lock. Words of the page that name two writers are
hints. The words are no enums, whose names take three
times as long to look up, a hundred times per frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.memory.layout import PAGE_BYTES, ROW_BYTES

if TYPE_CHECKING:
    from workers.memory.layout import Geometry

_FAILURE_AT = 1024

MAGIC = int.from_bytes(b"FMCTRL\x00\x03", "little")


class Control:
    """Words of the control page."""

    MAGIC = 0
    OPEN = 1
    STOPPING = 2
    WORKERS_READY = 3
    WORKERS_WANTED = 4
    WORKER_DEATHS = 5
    OVERDUE_KILLS = 6
    STARTED_NS = 7
    RELOADS = 8
    FLOW = 9
    RECYCLED = 10
    FOLLOWED = 11
    LATELY_NS = 12
    SPREAD_NS = 13
    MEASURED_NS = 14
    FLOW_VERSION = 15
    MODULES = 16
    HOPEFUL = 17
    FAILURES = 24
    FAILURE_BYTES = 25


class FrontRow:
    """Words of a front's row."""

    PID = 0
    LAST_SLOT = 1
    LAST_GENERATION = 2
    LAST_DONE_NS = 3
    DOUBTED_PID = 4
    CONNECTIONS = 5
    TURNED_NS = 6
    COUNTERS = 8


class WorkerRow:
    """Words of a worker's row."""

    PID = 0
    BUSY = 1
    FRAMES = 2
    BOOT_NS = 3
    HEARD_NS = 4
    GROWN = 5
    ANSWERED = 6
    SHOWS = 7
    MODULE = 8
    ENDS_NS = 16


class ControlPage:
    """The control page and all rows, in `low`, a mapping that starts at offset 0 of the frame memory."""

    def __init__(self, low: memoryview, geometry: Geometry) -> None:
        self.words = low[:PAGE_BYTES].cast("Q")
        self._failure = low[_FAILURE_AT:PAGE_BYTES]
        self.fronts = [self._row(low, geometry.front_row_at(i)) for i in range(geometry.fronts)]
        self.workers = [self._row(low, geometry.worker_row_at(i)) for i in range(geometry.workers)]

    @staticmethod
    def _row(low: memoryview, start: int) -> memoryview:
        return low[start : start + ROW_BYTES].cast("Q")

    def format(self) -> None:
        """Make a fresh page: nothing ready yet."""
        self.words[Control.MAGIC] = MAGIC

    def check(self) -> None:
        """Raise ValueError where this is not a control page of this version."""
        if self.words[Control.MAGIC] != MAGIC:
            msg = "the frame memory is of another version of the server"
            raise ValueError(msg)

    def say_reload_failed(self, why: str) -> None:
        """Keep why a reload failed, as much of it as there is room for, and count it."""
        text = why.encode("utf-8", "backslashreplace")[: len(self._failure)]
        self._failure[: len(text)] = text
        self.words[Control.FAILURE_BYTES] = len(text)
        self.words[Control.FAILURES] += 1  # last: whoever reads it meets the new text

    @property
    def reload_failure(self) -> str:
        """Why the last reload that failed did; empty where none has."""
        return bytes(self._failure[: self.words[Control.FAILURE_BYTES]]).decode("utf-8", "ignore")

    @property
    def stopping(self) -> bool:
        """Whether the server has been asked to stop."""
        return self.words[Control.STOPPING] == 1

    @property
    def takes_frames(self) -> bool:
        """Whether there is a worker, and nothing speaks against giving it a frame."""
        return self.words[Control.WORKERS_READY] > 0 and self.words[Control.FLOW] == 0

    @property
    def workers_ready(self) -> int:
        """How many workers can take a frame now."""
        return self.words[Control.WORKERS_READY]

    @property
    def workers_expected(self) -> int:
        """How many workers take the frames that come now: those that are ready, else those that will be shortly.

        None are where the server was never ready, stops, or has failed to replace them.
        """
        words = self.words
        ready: int = words[Control.WORKERS_READY]
        if not ready and words[Control.HOPEFUL] and words[Control.OPEN] and not words[Control.STOPPING]:
            return words[Control.WORKERS_WANTED]
        return ready

    @property
    def newest_done_ns(self) -> int:
        """When the frame that was answered last was done, by any front, CLOCK_MONOTONIC; 0 before the first."""
        return max(row[FrontRow.LAST_DONE_NS] for row in self.fronts)

    def is_shown(self, slot: int) -> bool:
        """Whether a worker draws the kept frame in `slot` again."""
        return any(row[WorkerRow.SHOWS] == slot + 1 and row[WorkerRow.PID] for row in self.workers)
