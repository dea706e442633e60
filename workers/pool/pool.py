"""The face of the pool: what a front does with frames.

A front takes a slot (`lease`), fills its request area, and has it inspected (`run`)::

    with pool.lease(deadline_ns) as lease:
        fill(lease.area)
        reply = lease.run(job, frame_bytes)

Slots belong to fronts: a stack behind a thread lock in each, so no lock crosses processes. The slot given back last is
taken first, because its memory is still in the processor's cache; clients that wait for one take turns (turns.py). One
slot per front keeps the last frame.

A frame that cannot be done by its deadline gets no slot (forecast.py). One that nobody waits for any more is taken back
where no worker has begun it; else its slot stays its client's until the worker ends (limbo).
"""

from __future__ import annotations

import os
import struct
import threading
import time
from typing import TYPE_CHECKING

from workers.admission.entry import CLIENT_BITS, Entry
from workers.admission.forecast import Forecast
from workers.admission.pace import Pace
from workers.admission.turns import Line, Turn
from workers.memory.arena import map_part
from workers.memory.claim import hold_front, withdraw
from workers.memory.control import ControlPage, FrontRow
from workers.memory.slot import Outcome, State, Word, headers
from workers.pool.lease import Lease

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.memory.arena import ArenaFile
    from workers.memory.slot import Header
    from workers.pool.lease import Dispatch

_LAST = struct.Struct("3Q")  # what /last_image shows, written at once
_LIMBO_CHECK_S = 0.005
_LIMBO_LOOK_S = 0.1  # how soon it is seen that there is something in it now
LONGEST_LINE = 96  # each of them is a thread that waits


def _areas(arena: ArenaFile, own: range) -> list[tuple[memoryview, memoryview]]:
    """The request areas, to be filled, and the reply areas, to be read, of a front's own slots; it maps no others."""
    geometry = arena.geometry
    parts = (
        (geometry.request_at(own.start), geometry.request_bytes, True),
        (geometry.reply_at(own.start), geometry.reply_bytes, False),
    )
    requests, replies = (
        [whole[at : at + each] for at in range(0, len(whole), each)]
        for start, each, writable in parts
        for whole in (map_part(arena, start, start + len(own) * each, writable=writable, populate=True),)
    )
    return list(zip(requests, replies, strict=True))


class Pool:
    """One front's share of the slots. `wake` has whoever waits for a slot look at it; without, no frame makes room."""

    def __init__(
        self,
        arena: ArenaFile,
        front: int,
        dispatch: Dispatch,
        longest_line: int = LONGEST_LINE,
        wake: Callable[[int], None] | None = None,
    ) -> None:
        geometry = arena.geometry
        self._fd = arena.fd
        self._dispatch = dispatch
        low = map_part(arena, 0, geometry.replies_at, writable=True, populate=True)
        self.control = ControlPage(low, geometry)
        self.control.check()
        self.request_bytes = geometry.request_bytes
        self.row = self.control.fronts[front]
        self._last = self.row[FrontRow.LAST_SLOT : FrontRow.LAST_DONE_NS + 1].cast("B")
        self.slots = geometry.slots_per_front
        # whoever was this front before may still be on its way out
        hold_front(arena.fd, front)
        self.row[FrontRow.PID] = os.getpid()
        self._lock = threading.Lock()
        self._headers = headers(low, geometry)
        own = geometry.slots_of_front(front)
        self._areas = dict(zip(own, _areas(arena, own), strict=True))
        # counted here: a worker that writes at random may change what stands in a header
        self._generations = [min(header.words[Word.GENERATION], 1 << 63) for header in self._headers]
        self._free: list[int] = []
        self._line = Line(longest_line)
        self._limbo: set[int] = set()
        self._kept: int | None = None
        pace = Pace(self.control.words)
        forecast = Forecast(self._headers, self.control, pace)
        self.entry = Entry(forecast, pace, self._line, geometry.slots + longest_line, fd=arena.fd, wake=wake)
        for slot in own:
            self._headers[slot].mark()
            self._take_over(self._headers[slot])

    def _take_over(self, header: Header) -> None:
        """Decide what the front before left in a slot: nobody but its owner or a worker can be writing there."""
        if header.state is State.FILLING:
            header.move(State.FREE)
        if header.state in {State.QUEUED, State.RUNNING} and not withdraw(self._fd, header):
            self._limbo.add(header.index)
            return
        if header.state is State.DONE:
            self._take_over_answered(header)
            return
        self._free.append(header.index)

    def _take_over_answered(self, header: Header) -> None:
        """The last frame stays the last frame; one that a worker draws again stays until that is done."""
        last = (self.row[FrontRow.LAST_SLOT], self.row[FrontRow.LAST_GENERATION])
        if self.row[FrontRow.LAST_DONE_NS] and last == (header.index, header.words[Word.GENERATION]):
            self._kept = header.index
        else:
            self._let_go(header)

    @property
    def free_slots(self) -> int:
        """How many frames could be taken right now."""
        with self._lock:
            self._leave_limbo()
            return len(self._free)

    @property
    def is_scarce(self) -> bool:
        """Whether most slots are taken: none should go to a frame that is slow to come. As it looks, without a lock."""
        return 2 * len(self._free) <= self.slots

    def is_needed(self) -> bool:
        """Whether somebody waits for a slot: none should be held for longer than it must. Without a lock, too."""
        return len(self._line) > 0

    def lease(self, deadline_ns: int, wait_ms: int, client: str = "") -> Lease:
        """Take a slot; the lease is a context manager that gives it back.

        `deadline_ns` (CLOCK_MONOTONIC) is when the frame's answer is due; `client` is who asks, for a fair share, and
        empty for what no flow has to see.

        Raises:
            NoFreeSlot: all slots stayed taken for `wait_ms`, or until the deadline, or too many wait already.
            NotInTime: it would not be done by then.
        """
        now_ns = time.monotonic_ns()
        index = self._acquire(now_ns, deadline_ns, wait_ms / 1000, client)
        header = self._headers[index]
        words = header.words
        header.move(State.FILLING)
        self._generations[index] += 1
        words[Word.GENERATION] = self._generations[index]
        words[Word.CANCELLED] = 0
        words[Word.DEADLINE_NS] = deadline_ns
        words[Word.ACCEPTED_NS] = time.monotonic_ns()
        words[Word.CAME_NS] = time.time_ns()
        words[Word.CLIENT] = hash(client) & CLIENT_BITS
        return Lease(header, self._areas[index], self._dispatch, self._release, self._doubt, self.entry.retry_after_s)

    def _acquire(self, now_ns: int, deadline_ns: int, wait_s: float, client: str) -> int:
        with self._lock:
            self._leave_limbo()
            wait_s = min(wait_s, (deadline_ns - now_ns) / 1e9)
            if not self._free and wait_s <= 0:
                raise self.entry.none_free()
            self.entry.admit(deadline_ns, client, now_ns)
            if self._free and not self._line:
                slot = self._free.pop()
                self._line.take(slot, client)
                return slot
            turn = Turn(client)
            if wait_s <= 0 or not self._line.join(turn):
                raise self.entry.none_free()
        give_up = time.monotonic() + wait_s
        while not turn.came(min(give_up - time.monotonic(), _LIMBO_CHECK_S if self._limbo else _LIMBO_LOOK_S)):
            with self._lock:
                self._leave_limbo()
                self._hand_out()
                if not turn.called and time.monotonic() >= give_up:
                    self._line.leave(turn)
                    raise self.entry.none_free()
        if turn.slot is None:
            raise self.entry.none_free()
        return turn.slot

    def _hand_out(self) -> None:
        while self._free and self._line:
            self._line.call(self._free.pop())

    def _leave_limbo(self) -> None:
        """Take back what workers have let go of since their front stopped waiting."""
        if not self._limbo:
            return
        for index in [i for i in self._limbo if self._headers[i].state is State.DONE]:
            self._limbo.discard(index)
            self._line.give_back(index)
            self._let_go(self._headers[index])

    def _let_go(self, header: Header) -> None:
        """Free a slot that is DONE, once no worker draws what is in it again."""
        if header.words[Word.WATCHED] and self.control.is_shown(header.index):
            self._limbo.add(header.index)
            return
        header.words[Word.WATCHED] = 0
        header.move(State.FREE)
        self._free.append(header.index)

    def _release(self, header: Header, keep: bool) -> None:
        with self._lock:
            if header.state in {State.QUEUED, State.RUNNING} and not withdraw(self._fd, header):
                self._limbo.add(header.index)
                return
            self._line.give_back(header.index)
            if keep and header.words[Word.OUTCOME] == Outcome.ANSWERED:
                self._keep(header)
                if self.entry.is_tight:
                    self.entry.served(header)
            else:
                if header.state is not State.FREE:  # a worker that writes at random may have said so
                    header.move(State.FREE)
                self._free.append(header.index)
            self._leave_limbo()
            self._hand_out()

    def _doubt(self, pid: int) -> None:
        """Have a worker replaced that writes where it should not."""
        self.row[FrontRow.DOUBTED_PID] = pid

    def _keep(self, header: Header) -> None:
        """Keep this frame for /last_image and free the one kept so far, which is named for as long as it is there."""
        before, self._kept = self._kept, header.index
        # not pack_into, which writes zeros first
        self._last[:] = _LAST.pack(header.index, self._generations[header.index], header.words[Word.DONE_NS])
        if before is not None:
            self._let_go(self._headers[before])
