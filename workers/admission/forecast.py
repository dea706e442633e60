"""Whether a frame that comes now would be done by its deadline, and who has to make room for it.

All fronts see all slots. So a front knows what runs, since when, and what is ahead in the queue; with how long flows
lately take (pace.py) that says when each worker is free, and when the next frame would be done::

    worker 0   |-- runs ---|-- queued --|-- queued --|
    worker 1   |-- runs -------|-- queued --|-- the next frame --|
               now                                               done, before its deadline or not

What is far ahead is known less well: an eighth of the wait, and twice the spread, are left as a margin. That costs no
frames a second, for workers never run dry where frames are refused.

Whose frame is refused is decided as it is for those who wait for slots (turns.py): where the next one cannot be in
time, but could be in place of another that still waits, then the client that has most here gives up its last one, and
among those that have as many as the next one would, whoever was served last. So neither a flood crowds anybody out nor
an unlucky takt.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from workers.memory.slot import Header, State, Word

if TYPE_CHECKING:
    from workers.admission.pace import Pace
    from workers.memory.control import ControlPage

_MARGIN = 8  # of the wait, one part
_SPREADS = 2


class Outlook(NamedTuple):
    """What is ahead of a frame; `free_in_ns` has for each worker, sorted (and so a heap), when it ends what it runs."""

    mean_ns: int
    spread_ns: int
    free_in_ns: list[int]
    queued: list[Header]
    held: Counter[int]  # slots by client
    ahead: int

    def begun_in_ns(self, ahead: int) -> int:
        """When a worker comes to a frame that has `ahead` frames before it."""
        free_in_ns = [*self.free_in_ns]
        # one that is free much later than the others, for its frame hangs, gets none of them
        for _ in range(ahead):
            heapq.heapreplace(free_in_ns, free_in_ns[0] + self.mean_ns)
        return free_in_ns[0]

    def done_in_ns(self, ahead: int) -> int:
        """When that frame is done; with a margin, except where a worker is free."""
        wait_ns = self.begun_in_ns(ahead)
        return wait_ns + self.mean_ns + (wait_ns // _MARGIN + _SPREADS * self.spread_ns if wait_ns else 0)

    def room_for(self, client: int, served_ns: Mapping[int, int]) -> Header | None:
        """The frame that is to make room for one of `client`, None where nobody has to."""

        def rank(number: int) -> tuple[int, int]:
            return self.held[number], served_ns.get(number, 0)

        other = max({header.words[Word.CLIENT] for header in self.queued}, key=rank, default=client)
        held, last_ns = rank(client)
        if rank(other) <= (held + 1, last_ns):
            return None
        theirs = [header for header in self.queued if header.words[Word.CLIENT] == other]
        return max(theirs, key=lambda header: header.words[Word.QUEUED_NS])


class Forecast:
    """A front's; `slots` are those of all fronts."""

    def __init__(self, slots: Sequence[Header], control: ControlPage, pace: Pace) -> None:
        self._slots = slots
        self._control = control
        self._pace = pace

    def look(self, now_ns: int, waiting: int) -> Outlook | None:
        """Return what is ahead of the next frame, `waiting` frames that wait for slots included.

        None where nothing can be said: no frame was measured lately, or no worker is there or comes.
        """
        mean_ns, spread_ns = self._pace.lately(now_ns)
        workers = self._control.workers_expected
        if not mean_ns or not workers:
            return None
        held: Counter[int] = Counter()
        running: list[int] = []
        queued: list[Header] = []
        filling = 0
        for header in self._slots:
            state, words = header.state, header.words
            if state in {State.FREE, State.DONE}:
                continue
            held[words[Word.CLIENT]] += 1
            if state is State.RUNNING:
                # one that runs longer than others may well do so for as long again
                running.append(abs(mean_ns - (now_ns - words[Word.STARTED_NS])))
            elif state is State.QUEUED:
                queued.append(header)
            else:
                filling += 1
        free_in_ns = sorted([*running, *[0] * (workers - len(running))])[-workers:]
        return Outlook(mean_ns, spread_ns, free_in_ns, queued, held, len(queued) + filling + waiting)
