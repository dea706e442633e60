"""Who waits for a slot, and who gets the next one.

Clients take turns: a slot goes to the client that holds fewest, and among those to the one that was served longest ago;
frames of one client keep their order. So a client with a hundred connections delays another one's frame by the time
until the next slot is free, and no more.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque


class Turn:
    """A thread that waits. The slot that it was given, or None where it was sent away."""

    def __init__(self, client: str) -> None:
        self.client = client
        self.slot: int | None = None
        self.called = False
        self._closed = threading.Lock()
        self._closed.acquire()

    def give(self, slot: int | None) -> None:
        """Let the thread have `slot`, or send it away with None."""
        self.slot, self.called = slot, True
        self._closed.release()

    def came(self, within_s: float) -> bool:
        """Wait for either."""
        return self._closed.acquire(timeout=max(0.0, within_s))


class Waiting:
    """At most `most` threads that wait for a slot; guarded by the pool's lock."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._length = 0
        self._turns: OrderedDict[str, deque[Turn]] = OrderedDict()  # by client; who was served last stands last
        self._held: dict[str, int] = {}  # slots by client, none of whom holds none
        self._holder: dict[int, str] = {}

    def __len__(self) -> int:
        """How many wait."""
        return self._length

    def join(self, turn: Turn) -> bool:
        """Wait; where all places are taken, instead of the last of the client that has most. False if that is you."""
        if self._length >= self._most:
            longest = max(self._turns.values(), key=len)
            if len(self._turns.get(turn.client, ())) + 1 >= len(longest):
                return False
            last = longest[-1]
            self.leave(last)
            last.give(None)
        self._turns.setdefault(turn.client, deque()).append(turn)
        self._length += 1
        return True

    def leave(self, turn: Turn) -> None:
        """Go without a slot."""
        waiting = self._turns[turn.client]
        waiting.remove(turn)
        self._length -= 1
        if not waiting:
            del self._turns[turn.client]

    def call(self, slot: int) -> None:
        """Give `slot` to whose turn it is."""
        client = min(self._turns, key=lambda client: self._held.get(client, 0))
        turn = self._turns[client][0]
        self.leave(turn)
        if client in self._turns:
            self._turns.move_to_end(client)
        self.take(slot, client)
        turn.give(slot)

    def take(self, slot: int, client: str) -> None:
        """Note that `client` holds `slot` now."""
        self._held[client] = self._held.get(client, 0) + 1
        self._holder[slot] = client

    def give_back(self, slot: int) -> None:
        """Note that nobody holds `slot` any more."""
        client = self._holder.pop(slot, None)
        if client is not None:
            left = self._held.pop(client) - 1
            if left:
                self._held[client] = left
