"""How frames become a part, and what its verdict is. Pure: this file does no I/O, and knows no clock.

::

    first view --> open --- all views there ------------------> OK, NOK, OFF, ERROR
                    |------ its time is over ------------------> ERROR  missing, or what was wrong before
                    |------ too many are open, the server ends -> ERROR  pushed_out, ended
                    '       the next frame of that name begins another pass

On any doubt a part is an error: a view that is missing, that came twice, that was an error, or that nobody inspected
while others were; and a frame that is no view of it. The same frame may be told again, which changes nothing, or makes
an error of it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from service.parts.plans import PartPlan

OK, NOK, OFF, ERROR, MISSING, TWICE = "OK", "NOK", "OFF", "ERROR", "MISSING", "TWICE"
DESK_AWAY = "desk_away"  # why: nobody joined its views while they came
_MS_NS = 1_000_000

# whether the rule of a project holds, for the views that are OK; may raise
Holds = Callable[[str, Mapping[str, bool]], bool]


class Frame(NamedTuple):
    """Which frame it was: when its request came (CLOCK_REALTIME), and its slot."""

    came_ns: int
    slot: int


class Seen(NamedTuple):
    """A view that came: what became of it, and the frame."""

    word: str
    frame: Frame


class Verdict(NamedTuple):
    """OK, NOK, OFF or ERROR, and why where it is neither OK nor NOK."""

    word: str
    why: str = ""


@dataclass(slots=True)
class Part:
    """A pass of a part: what came so far. `due_ns` is CLOCK_MONOTONIC; `fault` is why it is an error whatever comes.

    `place` is where it is kept.
    """

    name: str
    version: int
    plan: PartPlan
    begin_ns: int
    due_ns: int
    seen: dict[str, Seen] = field(default_factory=dict)
    fault: str = ""
    place: int = -1

    @property
    def is_whole(self) -> bool:
        """Whether all views are there."""
        return all(view in self.seen for view in self.plan.views)

    def add(self, view: str, seen: Seen) -> None:
        """Take a frame on."""
        if view not in self.plan.views:
            self.fault = self.fault or "unknown_view"
            return
        before = self.seen.get(view)
        if before is None:
            self.seen[view] = seen
        elif before.frame != seen.frame:
            self.seen[view] = before._replace(word=TWICE)
        elif before.word != seen.word:  # its front takes back what it said: the client was told of an error
            self.seen[view] = before._replace(word=TWICE if before.word == TWICE else ERROR)

    def word_of(self, view: str) -> str:
        """What became of a view."""
        return self.seen[view].word if view in self.seen else MISSING

    def verdict(self, holds: Holds) -> Verdict:
        """Judge it, as it is."""
        words = [self.word_of(view) for view in self.plan.views]
        if self.fault:
            return Verdict(ERROR, self.fault)
        for word, why in ((MISSING, "missing"), (TWICE, "twice"), (ERROR, "error")):
            if word in words:
                return Verdict(ERROR, why)
        if OFF in words:
            return Verdict(OFF, "off") if set(words) == {OFF} else Verdict(ERROR, "off")
        good = {view: self.word_of(view) == OK for view in self.plan.views}
        if self.plan.verdict is None:
            return Verdict(OK if all(good.values()) else NOK)
        try:
            held = holds(self.plan.verdict, good)
        except Exception:  # noqa: BLE001 - whatever it was, nobody knows that the part is OK
            return Verdict(ERROR, "rule")
        return Verdict(OK if held is True else NOK)

    def pack(self) -> dict[str, Any]:
        """Return all of it for JSON, but for its place."""
        seen = {view: [one.word, *one.frame] for view, one in self.seen.items()}
        return {
            "name": self.name,
            "version": self.version,
            "plan": [*self.plan],
            "begin_ns": self.begin_ns,
            "due_ns": self.due_ns,
            "seen": seen,
            "fault": self.fault,
        }

    @classmethod
    def unpack(cls, packed: Mapping[str, Any], place: int) -> Part:
        """Read what `pack` has made."""
        seen = {view: Seen(word, Frame(came_ns, slot)) for view, (word, came_ns, slot) in packed["seen"].items()}
        views, *rest = packed["plan"]
        known = (packed["name"], packed["version"], PartPlan(tuple(views), *rest))
        return cls(*known, packed["begin_ns"], packed["due_ns"], seen, packed["fault"], place)


class Joining:
    """All parts that are open, by name; `most_open` at once."""

    def __init__(self, most_open: int) -> None:
        self._open: dict[str, Part] = {}
        self._due: list[tuple[int, int, str, Part]] = []
        self._turn = 0
        self._most_open = most_open

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def get(self, name: str) -> Part | None:
        """Return the part of that name, if it is open."""
        return self._open.get(name)

    @property
    def next_due_ns(self) -> int | None:
        """When the next one ends by itself; None where none will."""
        self._drop_ended()
        return self._due[0][0] if self._due else None

    def take_on(self, part: Part) -> None:
        """Have a part open."""
        self._open[part.name] = part
        self._turn += 1
        heapq.heappush(self._due, (part.due_ns, self._turn, part.name, part))

    def open(self, name: str, version: int, plan: PartPlan, frame: Frame, now_ns: int) -> Part:
        """Return the part of a frame, begun by it if there is none; what is over by `now_ns` was ended before."""
        part = self._open.get(name)
        if part is None:
            part = Part(name, version, plan, frame.came_ns, now_ns + plan.wait_ms * _MS_NS)
            self.take_on(part)
        return part

    def surplus(self) -> Part | None:
        """Return the oldest one where more are open than may be, to be ended."""
        return next(iter(self._open.values())) if len(self._open) > self._most_open else None

    def overdue(self, now_ns: int) -> Iterator[Part]:
        """Yield those whose time is over, to be ended."""
        while True:
            self._drop_ended()
            if not self._due or self._due[0][0] > now_ns:
                return
            yield self._due[0][3]

    def all(self) -> list[Part]:
        """Return all that are open."""
        return [*self._open.values()]

    def end(self, part: Part) -> None:
        """Let go of a part."""
        del self._open[part.name]
        if len(self._due) > 2 * len(self._open) + 64:  # most end before they are due
            self._due = [entry for entry in self._due if self._is_open(entry[3])]
            heapq.heapify(self._due)

    def _drop_ended(self) -> None:
        while self._due and not self._is_open(self._due[0][3]):
            heapq.heappop(self._due)

    def _is_open(self, part: Part) -> bool:
        return self._open.get(part.name) is part
