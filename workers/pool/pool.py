"""The face of the pool: what a front does with frames.

A front takes a slot (`lease`), fills its request area, and has it inspected (`run`)::

    with pool.lease(deadline_ns) as lease:
        fill(lease.area)
        reply = lease.run(job, frame_bytes)

Slots belong to fronts (own_slots.py): a stack behind a thread lock in each, so no lock crosses processes. The slot
given back last is taken first, because its memory is still in the processor's cache; clients that wait for one take
turns (turns.py). One slot per front keeps the last frame.

A frame that cannot be done by its deadline gets no slot (forecast.py). One that nobody waits for any more is taken back
where no worker has begun it; else its slot stays its client's until the worker ends (limbo).
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from workers.admission.entry import CLIENT_BITS, Entry
from workers.admission.forecast import Forecast
from workers.admission.pace import Pace
from workers.admission.turns import Turn, Waiting
from workers.memory.arena import map_part
from workers.memory.claim import hold_front
from workers.memory.control import ControlPage, FrontRow, WorkerRow
from workers.memory.module_table import ModuleTable
from workers.memory.slot import Outcome, Word, headers
from workers.pool.lease import Lease
from workers.pool.own_slots import OwnSlots
from workers.pool.staying import nobody_follows

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.memory.arena import ArenaFile
    from workers.memory.slot import Header
    from workers.pool.lease import Dispatch
    from workers.pool.staying import HasDone

_LIMBO_CHECK_S = 0.005
_LIMBO_LOOK_S = 0.1  # how soon it is seen that there is something in it now
MOST_WAITING = 96  # each of them is a thread that waits


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
    """One front's share of the slots. `wake` has whoever waits for a slot look at it; without, no frame makes room.

    `has_done` says whether followers of results have done with a frame that stays for them (staying.py).
    """

    def __init__(  # noqa: PLR0917 - what a front has from elsewhere
        self,
        arena: ArenaFile,
        front: int,
        dispatch: Dispatch,
        most_waiting: int = MOST_WAITING,
        wake: Callable[[int], None] | None = None,
        has_done: HasDone = nobody_follows,
    ) -> None:
        geometry = arena.geometry
        self._dispatch = dispatch
        low = map_part(arena, 0, geometry.replies_at, writable=True, populate=True)
        self.control = ControlPage(low, geometry)
        self.control.check()
        self.request_bytes = geometry.request_bytes
        self.row = self.control.fronts[front]
        self.modules = ModuleTable(low, geometry, self.control.words)
        self.errors = self.modules.fronts[front]
        self.slots = geometry.slots_per_front
        # whoever was this front before may still be on its way out
        hold_front(arena.fd, front)
        self.row[FrontRow.PID] = os.getpid()
        self._lock = threading.Lock()
        self._headers = headers(low, geometry)
        own = geometry.slots_of_front(front)
        self._areas = dict(zip(own, _areas(arena, own), strict=True))
        self._waiting = Waiting(most_waiting)
        pace = Pace(self.control.words)
        forecast = Forecast(self._headers, self.control, pace)
        self.entry = Entry(forecast, pace, self._waiting, geometry.slots + most_waiting, fd=arena.fd, wake=wake)
        spare = geometry.kept_per_front
        self._own = OwnSlots(arena.fd, self._headers, self.control, self.row, own, has_done, spare)

    @property
    def free_slots(self) -> int:
        """How many frames could be taken right now."""
        with self._lock:
            self._leave_limbo()
            return len(self._own.unused)

    @property
    def is_scarce(self) -> bool:
        """Whether most slots are taken: none should go to a frame that is slow to come. As it looks, without a lock."""
        return 2 * len(self._own.unused) <= self.slots

    def is_needed(self) -> bool:
        """Whether somebody waits for a slot: none should be held for longer than it must. Without a lock, too."""
        return len(self._waiting) > 0

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
        header = self._own.fill(index)
        words = header.words
        words[Word.DEADLINE_NS] = deadline_ns
        words[Word.ACCEPTED_NS] = time.monotonic_ns()
        words[Word.CAME_NS] = time.time_ns()
        words[Word.CLIENT] = hash(client) & CLIENT_BITS
        areas, retry_after_s = self._areas[index], self.entry.retry_after_s
        return Lease(header, areas, self._dispatch, self._release, self._doubt, retry_after_s, self._where, self._stay)

    def _acquire(self, now_ns: int, deadline_ns: int, wait_s: float, client: str) -> int:
        with self._lock:
            self._leave_limbo()
            wait_s = min(wait_s, (deadline_ns - now_ns) / 1e9)
            if not self._own.unused and wait_s <= 0:
                raise self.entry.none_free()
            self.entry.admit(deadline_ns, client, now_ns)
            if self._own.unused and not self._waiting:
                slot = self._own.unused.pop()
                self._waiting.take(slot, client)
                return slot
            turn = Turn(client)
            if wait_s <= 0 or not self._waiting.join(turn):
                raise self.entry.none_free()
        give_up = time.monotonic() + wait_s
        while not turn.came(min(give_up - time.monotonic(), _LIMBO_CHECK_S if self._own.has_limbo else _LIMBO_LOOK_S)):
            with self._lock:
                self._leave_limbo()
                self._hand_out()
                if not turn.called and time.monotonic() >= give_up:
                    self._waiting.leave(turn)
                    raise self.entry.none_free()
        if turn.slot is None:
            raise self.entry.none_free()
        return turn.slot

    def _hand_out(self) -> None:
        while self._own.unused and self._waiting:
            self._waiting.call(self._own.unused.pop())

    def _leave_limbo(self) -> None:
        """Take back what workers have let go of since their front stopped waiting."""
        if self._own.has_limbo:
            for index in self._own.leave_limbo():
                self._waiting.give_back(index)

    def _release(self, header: Header, keep: bool) -> None:
        with self._lock:
            if not self._own.has_come_back(header):
                return
            self._waiting.give_back(header.index)
            if keep and header.words[Word.OUTCOME] == Outcome.ANSWERED:
                self._own.keep(header)
                if self.entry.is_tight:
                    self.entry.served(header)
            else:
                self._own.free(header)
            self._leave_limbo()
            self._hand_out()

    def _stay(self, header: Header, followers: int, is_urgent: bool) -> int:
        with self._lock:
            return self._own.stay(header, followers, is_urgent=is_urgent)

    def _where(self, header: Header) -> str:
        """Where a frame that runs was seen last, or at least in which module it is."""
        if place := self._own.place(header):
            return place
        pid = header.words[Word.OWNER_PID]
        rows = self.control.workers
        return next((self.modules.name(row[WorkerRow.MODULE]).label for row in rows if row[WorkerRow.PID] == pid), "")

    def _doubt(self, pid: int) -> None:
        """Have a worker replaced that writes where it should not."""
        self.row[FrontRow.DOUBTED_PID] = pid
