"""Joins frames to parts: ends these, has them on record, and tells who asks.

A frame's way here: its part is changed, kept (kept.py), and if it ended by that on record, then let go of, counted, its
message taken out of its queue, and its front told. Killed at any step the next desk begins anew with what is kept, and
hears that message again: a frame that its part has changes nothing, and what is on record already is not ended again.
Nobody here waits for a front that does not listen.
"""

from __future__ import annotations

import logging
import select
import time
from contextlib import suppress
from typing import Any, Protocol

import orjson

from service.parts.counts import Counts
from service.parts.desk.asking import Asking, One, send
from service.parts.desk.hearing import Heard
from service.parts.desk.kept import Kept
from service.parts.desk.told import Recent, open_document
from service.parts.joining import DESK_AWAY, ERROR, Frame, Holds, Joining, Part, Seen, Verdict
from service.parts.messages import NOBODY_KNOWS, REQUEST, Kind, Said
from service.parts.plans import PartPlan

_log = logging.getLogger(__name__)

MOST_OPEN = 1000
_CATCH_UP_NS = 500_000_000  # what fronts have said while there was no desk is heard within that


class Tells(Protocol):
    """Has what became of parts on record; see told.PartRing."""

    def tell(self, part: Part, verdict: Verdict, end_ns: int) -> dict[str, Any]:
        """Have it on record; returns what is told of it."""

    def told(self) -> list[dict[str, Any]]:
        """What is on record already, the oldest first."""


class Joins:
    """For one thread. `counts_fd` is the page of what it counts, `recent` what the server before has told."""

    def __init__(
        self, poll: select.poll, kept: Kept, tells: Tells, recent: Recent, *, holds: Holds, counts_fd: int
    ) -> None:
        """Go on with what is kept."""
        self._kept = kept
        self._tells = tells
        self._holds = holds
        self._counts_fd = counts_fd
        self._counts = Counts.read(counts_fd)
        self._joining = Joining(MOST_OPEN)
        self._recent = recent
        self._asking = Asking(poll)
        for document in tells.told():
            recent.put(document)
        now_ns = time.monotonic_ns()
        for part in kept.load():
            if recent.has(part):
                kept.clear(part)  # it is on record; its desk ended before it could let go of it
                continue
            if part.due_ns <= now_ns and not part.is_whole:
                # what was said of it meanwhile belongs to it, though it can be nothing but an error by now
                part.fault, part.due_ns = part.fault or DESK_AWAY, now_ns + _CATCH_UP_NS
            self._joining.take_on(part)
            if part.is_whole:
                self._end(part, part.verdict(holds))
        self._count(self._counts)

    def take(self, heard: Heard, now_ns: int) -> bytes:
        """Take on what was heard; returns the answer, nothing where there is none."""
        self._end_overdue(now_ns)
        said = heard.said
        for one in heard.asking:
            self._ask(One(one, said.part, said.by_ns), now_ns)
        if said.kind is not Kind.FRAME:
            return b""
        document = self._frame(said, heard.plan, now_ns)
        return REQUEST.pack(heard.request) + (orjson.dumps(document) if document else b"")

    def tend(self, now_ns: int) -> None:
        """Do what is due."""
        self._end_overdue(now_ns)
        self._count(self._counts)

    def forget(self, fd: int) -> None:
        """Let go of who asks and is not there any more."""
        self._asking.forget(fd)

    @property
    def next_due_ns(self) -> int | None:
        """When there is something to do by itself."""
        due = [due_ns for due_ns in (self._joining.next_due_ns, self._asking.next_due_ns) if due_ns is not None]
        return min(due, default=None)

    def end_all(self) -> None:
        """End all that is open as errors."""
        for part in self._joining.all():
            self._end(part, Verdict(ERROR, part.fault or "ended"))

    def leave(self) -> None:
        """Leave all that is open to the next server."""
        self._counts._replace(open=0).write(self._counts_fd)

    def _frame(self, said: Said, plan: PartPlan | None, now_ns: int) -> dict[str, Any] | None:
        """Take a frame on; returns what became of its part, if it ended by that."""
        frame = Frame(said.came_ns, said.slot)
        # one that was in the pass before is none of the pass that may be open; its front has not heard of its own
        if told := self._recent.with_frame(said.part, frame):
            return told
        before = self._joining.get(said.part)
        plan = before.plan if before else plan
        if plan is None:
            return None
        word = ERROR if said.by_ns < now_ns else said.word
        part = self._joining.open(said.part, said.flow, plan, frame, now_ns)
        part.add(said.view, Seen(word, frame))
        try:
            self._kept.save(part)
        except OSError as error:
            _log.error("a part is not kept, and would be lost with the part desk: %s", error)
        if oldest := self._joining.surplus():
            self._end(oldest, Verdict(ERROR, "pushed_out"))
        return self._end(part, part.verdict(self._holds)) if part.is_whole else None

    def _end(self, part: Part, verdict: Verdict) -> dict[str, Any]:
        document = self._tells.tell(part, verdict, time.time_ns())
        with suppress(OSError):
            self._kept.clear(part)
        self._joining.end(part)
        self._recent.put(document)
        self._count(self._counts.with_one(verdict))
        self._asking.tell(part.name, {"state": "ended", **document})
        return document

    def _end_overdue(self, now_ns: int) -> None:
        for part in self._joining.overdue(now_ns):
            self._end(part, part.verdict(self._holds))
        for one in self._asking.overdue(now_ns):
            self._answer(one)
            self._asking.forget(one.link.fileno())

    def _ask(self, one: One, now_ns: int) -> None:
        has_ended = self._joining.get(one.part) is None and self._recent.get(one.part) is not None
        if not has_ended and self._asking.may_wait(one, now_ns):
            self._asking.add(one)
        else:
            self._answer(one)
            one.link.close()

    def _answer(self, one: One) -> None:
        """Tell what is known now."""
        part, told = self._joining.get(one.part), self._recent.get(one.part)
        if part is not None:
            send(one.link, orjson.dumps({"state": "open", **open_document(part)}))
        elif told is not None:
            send(one.link, orjson.dumps({"state": "ended", **told}))
        else:
            send(one.link, NOBODY_KNOWS)

    def _count(self, counts: Counts) -> None:
        counts = counts._replace(open=len(self._joining))
        if counts != self._counts:
            counts.write(self._counts_fd)
            self._counts = counts
