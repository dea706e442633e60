"""Slots whose frames stay for who follows results, while other slots take their places.

A follower is a bit: which one it is, and whether it has done with a frame, others know (`has_done`). A frame stays
until all whom it stays for have done with it or are gone, and for five seconds at most: to copy it takes milliseconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from workers.memory.slot import State, Word

if TYPE_CHECKING:
    from workers.memory.slot import Header

_MOST_NS = 5_000_000_000
_FOR_URGENT = 4  # of so many places one is left to frames that shall not be missed

# whether all of these followers (bits) have done with the frame in a slot: slot, generation, followers
HasDone = Callable[[int, int, int], bool]


def nobody_follows(slot: int, generation: int, followers: int) -> bool:
    """Say so where there are no followers."""
    del slot, generation, followers
    return True


class Staying:
    """Of one front, at most `most` at once; used under its pool's lock. `unused` are slots for other frames."""

    def __init__(self, headers: Sequence[Header], most: int, has_done: HasDone, unused: list[int]) -> None:
        self.slots: set[int] = set()  # that are KEPT
        self._spare: list[int] = []  # slots that take the places of those that stay
        self._unused = unused
        self._headers = headers
        self._most = most
        self._has_done = has_done
        self._claims: dict[int, tuple[int, int, int]] = {}  # by slot: generation, followers, until when

    def claim(self, header: Header, generation: int, followers: int, *, is_urgent: bool = True) -> bool:
        """Let the frame in a slot stay for these, or for nobody; False where as many stay as may."""
        if not followers:
            header.words[Word.KEPT_FOR] = 0
            self._claims.pop(header.index, None)
            return True
        most = self._most if is_urgent else self._most - self._most // _FOR_URGENT
        if len(self._claims) >= most:
            self.end()
            for slot in self._claims.keys() - self.slots:
                self._is_wanted(slot)
            if len(self._claims) >= most:
                return False
        until_ns = time.monotonic_ns() + _MOST_NS
        header.words[Word.KEPT_UNTIL_NS] = until_ns
        header.words[Word.KEPT_FOR] = followers
        self._claims[header.index] = generation, followers, until_ns
        return True

    def take_over(self, header: Header) -> None:
        """Go on with what the front before has left in a slot."""
        words = header.words
        until_ns = min(words[Word.KEPT_UNTIL_NS], time.monotonic_ns() + _MOST_NS)
        if words[Word.KEPT_FOR] and header.state in {State.DONE, State.KEPT}:
            self._claims[header.index] = words[Word.GENERATION], words[Word.KEPT_FOR], until_ns
        if header.state is State.KEPT:
            self.slots.add(header.index)

    def set_aside(self) -> None:
        """Take what is to be spare from what is unused."""
        while self._unused and len(self._spare) + len(self.slots) < self._most:
            self._spare.append(self._unused.pop(0))

    def leave(self, header: Header) -> bool:
        """Leave a slot that is DONE to its followers, and another to its front; False where it need not stay."""
        if not self._is_wanted(header.index) or not self._spare or header.state is not State.DONE:
            self._claims.pop(header.index, None)
            return False
        header.move(State.KEPT)
        self.slots.add(header.index)
        self._unused.append(self._spare.pop())
        return True

    def end(self) -> None:
        """Take back what need not stay any longer."""
        for slot in [slot for slot in self.slots if not self._is_wanted(slot)]:
            self.slots.discard(slot)
            # not move: it is ours, whatever a worker that writes at random has said
            self._headers[slot].words[Word.STATE] = State.FREE
            (self._spare if len(self._spare) + len(self.slots) < self._most else self._unused).append(slot)

    def _is_wanted(self, slot: int) -> bool:
        """Whether the frame in a slot is to stay still; where it is not its claim is over."""
        if slot not in self._claims:
            return False
        generation, followers, until_ns = self._claims[slot]
        if time.monotonic_ns() < until_ns and not self._has_done(slot, generation, followers):
            return True
        del self._claims[slot]
        return False
