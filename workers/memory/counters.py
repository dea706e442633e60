"""Every counter, in one table: what the frame memory, `/api/v1/status`, `/metrics` and the page know of it.

Errors by module are counted beside it (module_table.py), for only a project says which modules there are.
A row here and the call that counts (service/analysis/counters.py) is all that a new one takes. Each front has its own
of each, a word behind those of its row (control.py), and adds to it under its own lock; what is shown is the sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workers.memory.control import FrontRow

if TYPE_CHECKING:
    from workers.memory.control import ControlPage


@dataclass(frozen=True, slots=True)
class Counter:
    """One number that only grows: in status `key` of the group `group`, in `/metrics` the family `metric`.

    Rows of one family have labels that tell them apart; without a family it is in status alone. `is_ns` are times, kept
    in nanoseconds and shown in seconds.
    """

    group: str
    key: str
    metric: str = ""
    about: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    is_ns: bool = False

    @property
    def name(self) -> str:
        """What the code calls it."""
        return f"{self.group}.{self.key}"


def _outcome(key: str) -> Counter:
    return Counter("frames", key, "framemill_frames", "Frames by what became of them", {"outcome": key})


def _step(key: str) -> Counter:
    return Counter("seconds", key, "framemill_seconds", "Where the time of frames went", {"step": key}, is_ns=True)


TABLE: tuple[Counter, ...] = (
    _outcome("ok"),
    _outcome("nok"),
    _outcome("process_off"),
    _outcome("held"),
    _outcome("errors"),
    _outcome("refused"),
    # these seven are added to at once, in this order
    Counter("frames", "answered"),
    Counter("frames", "received_bytes", "framemill_received_bytes", "Bytes of frames received"),
    _step("waiting"),
    _step("receiving"),
    _step("decoding"),
    _step("flow"),
    _step("encoding"),
    _step("sending"),
    Counter("frames", "not_begun", "framemill_frames_not_begun", "Frames refused, for too little time was left"),
    Counter("frames", "not_kept", "framemill_frames_not_kept", "Frames that ended their workers and could not be kept"),
    Counter(
        "connections",
        "cut_off",
        "framemill_connections_cut_off",
        "Connections that were ended because their clients did not take their answers",
    ),
    Counter(
        "results",
        "contexts_left_out",
        "framemill_results_contexts_left_out",
        "Contexts too large to be kept with what became of their frames",
    ),
    Counter("live", "cut_off", "framemill_live_cut_off", "Streams of events that were ended, for nobody took them"),
    Counter("live", "polled", "framemill_live_polled", "Times that events were asked for beyond all streams"),
    Counter("log", "lines_lost", "framemill_log_lines_lost", "Lines of requests that nobody took in time"),
)

WORDS: Mapping[str, int] = {row.name: FrontRow.COUNTERS + at for at, row in enumerate(TABLE)}
"""Where in a front's row each counter is, by its name."""


def totals(control: ControlPage) -> Iterator[tuple[Counter, int | float]]:
    """Yield each counter with its sum over all fronts; times in seconds."""
    for row in TABLE:
        total = sum(front[WORDS[row.name]] for front in control.fronts)
        yield row, total / 1e9 if row.is_ns else total
