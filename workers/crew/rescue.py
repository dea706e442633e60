"""What becomes of frames whose worker died, hangs, or never heard of them. Reads and writes slot headers only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from workers.memory.slot import Header, Outcome, State, Word
from workers.pool.channel import Channel, Descriptor, signal_done, submit

MAX_DEATHS = 2  # a frame that has killed two workers is given up
_FORGOTTEN_NS = 50_000_000
_SECOND_NS = 1_000_000_000


def announce(channel: Channel, header: Header) -> None:
    """Announce a queued slot once more; one announcement too many does no harm (claim.py)."""
    submit(channel.submit_fd, Descriptor(header.index, header.words[Word.GENERATION]))


def end(channel: Channel, header: Header, outcome: Outcome) -> None:
    """End a running slot, whose worker is gone, without an answer."""
    header.words[Word.OUTCOME] = outcome
    header.words[Word.DONE_NS] = time.monotonic_ns()
    header.move(State.DONE)
    signal_done(channel.done_fds[header.index])


def runs_a_frame(headers: Iterable[Header], pid: int) -> bool:
    """Whether the process is at a frame; what it says of itself may be old, if it hangs just behind one."""
    return any(h.words[Word.STATE] == State.RUNNING and h.words[Word.OWNER_PID] == pid for h in headers)


def has_run(header: Header, now_ns: int, run_ns: int) -> bool:
    """Whether the frame, or a module with a limit of its own, has run for as long as it may.

    A start in the time to come is a worker's rubbish.
    """
    began_ns = header.words[Word.STARTED_NS]
    limit_ns = header.words[Word.LIMIT_NS]
    return not began_ns - _SECOND_NS <= now_ns < began_ns + run_ns or 0 < limit_ns <= now_ns


@dataclass(frozen=True, slots=True)
class Death:
    """How the process `pid` ended.

    `repeatable`: a frame may go once more, because the death was by a signal and the flow is idempotent.
    `for_time_ns`: the supervisor killed it, most likely because a frame ran for so long. `for_memory`: the kernel did.
    """

    pid: int
    repeatable: bool
    for_time_ns: int
    for_memory: bool


def after_death(headers: Sequence[Header], channel: Channel, death: Death, crashed: Callable[[int], None]) -> None:
    """Settle every frame that the dead process held. Call this only after it has been reaped.

    `crashed` is told the time before a frame is given up for what it did to its workers: who has its answer must meet a
    server that has drawn its conclusion.
    """
    now_ns = time.monotonic_ns()
    for header in headers:
        if header.state is State.RUNNING and header.words[Word.OWNER_PID] == death.pid:
            outcome = _settle(header, now_ns, death)
            if outcome in {Outcome.CRASHED, Outcome.OUT_OF_MEMORY}:
                crashed(now_ns)
            if outcome is None:
                header.move(State.QUEUED)
            else:
                end(channel, header, outcome)
    for header in headers:
        # it may have died between taking a descriptor and claiming its slot
        if header.state is State.QUEUED:
            announce(channel, header)
        # or between ending a frame and telling its front
        elif header.state is State.DONE and header.words[Word.OWNER_PID] == death.pid:
            signal_done(channel.done_fds[header.index])


def _settle(header: Header, now_ns: int, death: Death) -> Outcome | None:
    """How the frame ends; None where it goes once more."""
    words = header.words
    if words[Word.CANCELLED] == words[Word.GENERATION]:
        return Outcome.CANCELLED
    if death.for_time_ns and has_run(header, now_ns, death.for_time_ns):
        return Outcome.OVERRUN
    if words[Word.DEADLINE_NS] <= now_ns:
        return Outcome.OVERDUE
    if death.for_memory:
        return Outcome.OUT_OF_MEMORY
    if death.for_time_ns:
        return None  # the worker was killed for the frame before, and had just begun this one
    words[Word.DEATHS] += 1
    return None if death.repeatable and words[Word.DEATHS] < MAX_DEATHS else Outcome.CRASHED


def end_ownerless(headers: Iterable[Header], channel: Channel, living: set[int], before: set[int]) -> set[int]:
    """End slots that run in none of the processes `living`: somebody wrote rubbish into their headers.

    Returns those that were found for the first time; hand them in as `before` the next time, when they are ended.
    """
    found = {h for h in headers if h.state is State.RUNNING and h.words[Word.OWNER_PID] not in living}
    for header in found:
        if header.index in before:
            end(channel, header, Outcome.CRASHED)
    return {header.index for header in found} - before


class LostJobs:
    """Finds jobs that wait although a worker is idle: their descriptor was lost, or its receiver hangs."""

    def __init__(self, headers: Sequence[Header], channel: Channel) -> None:
        self._headers = headers
        self._channel = channel
        self._announced_ns: dict[int, int] = {}

    def announce_again(self, now_ns: int) -> int:
        """Announce what has waited for too long; returns the longest wait in nanoseconds."""
        longest_ns = 0
        for header in self._headers:
            words = header.words
            if words[Word.STATE] != State.QUEUED:
                self._announced_ns.pop(header.index, None)
                continue
            waited_ns = now_ns - words[Word.QUEUED_NS]
            longest_ns = max(longest_ns, waited_ns)
            since = self._announced_ns.get(header.index, words[Word.QUEUED_NS])
            if now_ns - since > _FORGOTTEN_NS:
                announce(self._channel, header)
                self._announced_ns[header.index] = now_ns
        return longest_ns
