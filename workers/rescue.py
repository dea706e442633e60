"""What becomes of frames whose worker died, hangs, or never heard of them. Reads and writes slot headers only."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workers.channel import Channel, Descriptor, signal_done, submit
from workers.slot import Header, Outcome, State, Word

MAX_DEATHS = 2  # a frame that has killed two workers is given up
_FORGOTTEN_NS = 50_000_000


def announce(channel: Channel, header: Header) -> None:
    """Announce a queued slot once more; one announcement too many does no harm (claim.py)."""
    submit(channel.submit_fd, Descriptor(header.index, header.words[Word.GENERATION]))


def end(channel: Channel, header: Header, outcome: Outcome) -> None:
    """End a running slot, whose worker is gone, without an answer."""
    header.words[Word.OUTCOME] = outcome
    header.words[Word.DONE_NS] = time.monotonic_ns()
    header.move(State.DONE)
    signal_done(channel.done_fds[header.index])


def overdue_owners(headers: Iterable[Header], now_ns: int) -> set[int]:
    """Process ids of the workers that run a frame past its deadline."""
    late = set()
    for header in headers:
        words = header.words
        if words[Word.STATE] == State.RUNNING and words[Word.DEADLINE_NS] <= now_ns:
            late.add(words[Word.OWNER_PID])
    return late


@dataclass(frozen=True, slots=True)
class Death:
    """How the process `pid` ended.

    `repeatable`: a frame may go once more, because the death was by a signal and the flow is idempotent. `for_time`:
    the supervisor killed it because one of its frames passed its deadline. `for_memory`: the kernel killed it.
    """

    pid: int
    repeatable: bool
    for_time: bool
    for_memory: bool


def after_death(headers: Sequence[Header], channel: Channel, death: Death) -> int:
    """Settle every frame that the dead process held; returns how many were given up as crashed.

    Call this only after it has been reaped.
    """
    now_ns = time.monotonic_ns()
    crashed = 0
    for header in headers:
        if header.state is State.RUNNING and header.words[Word.OWNER_PID] == death.pid:
            crashed += _settle(header, channel, now_ns, death)
    for header in headers:
        # it may have died between taking a descriptor and claiming its slot
        if header.state is State.QUEUED:
            announce(channel, header)
    return crashed


def _settle(header: Header, channel: Channel, now_ns: int, death: Death) -> bool:
    """Returns whether the frame was given up because of what it did to its workers."""
    words = header.words
    if words[Word.CANCELLED] == words[Word.GENERATION]:
        end(channel, header, Outcome.CANCELLED)
    elif words[Word.DEADLINE_NS] <= now_ns:
        end(channel, header, Outcome.OVERDUE)
    elif death.for_memory:
        end(channel, header, Outcome.OUT_OF_MEMORY)
        return True
    elif death.for_time:
        # it was killed for the frame before, and had just begun this one
        header.move(State.QUEUED)
    else:
        words[Word.DEATHS] += 1
        if death.repeatable and words[Word.DEATHS] < MAX_DEATHS:
            header.move(State.QUEUED)
        else:
            end(channel, header, Outcome.CRASHED)
            return True
    return False


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
