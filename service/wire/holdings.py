"""One account of all bytes that a front holds in its own memory for clients: half heads, bodies, copies of answers.

Frames in slots are not among them: the frame memory has its size and its own fair share. What is here grows with what
clients leave with us, so it has a budget. Each client, by its address or the name of its key, may hold a share of it.
Over the budget the client that holds most goes first: its largest piece is let go, and of equal ones the oldest. Who
would hold most himself is refused.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Self

from workers.errors import NoFreeSlot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType


_PAGE_BYTES = 4096
LET_GO = "more is held for slow clients than there is memory for; try again shortly"
_OVER_SHARE = "this client has left more bytes with the server than its share; try again shortly"


class Holding:
    """Some bytes that are held for a client; made by `Holdings.hold`, from any thread."""

    __slots__ = ("_account", "_let_go", "client", "count")

    def __init__(self, account: Holdings, client: str, let_go: Callable[[], None]) -> None:
        self._account: Holdings | None = account
        self._let_go: Callable[[], None] | None = let_go
        self.client = client
        self.count = 0

    @property
    def is_over(self) -> bool:
        """Whether it was released or let go."""
        return self._account is None

    def grow(self, count: int) -> None:
        """Hold `count` bytes more, before they are there.

        Raises:
            NoFreeSlot: there is no room for them, or this piece was let go meanwhile. What was held is still held.
        """
        account = self._account
        if account is None:
            raise NoFreeSlot(LET_GO)
        account.grow(self, count)

    def cover(self, total: int) -> None:
        """Hold `total` bytes at least, in whole pages, so that single bytes cost no account; raises as `grow`."""
        if total > self.count or self._account is None:
            self.grow(-(-total // _PAGE_BYTES) * _PAGE_BYTES - self.count)

    def shrink(self, count: int) -> None:
        """Hold `count` bytes less: they have left."""
        if (account := self._account) is not None:
            account.shrink(self, count)

    def release(self) -> None:
        """Hold nothing any more; as often as one likes."""
        if (account := self._account) is not None:
            account.release(self)

    def abandon(self) -> None:
        """Release, but later and without a lock: for finalizers, which may run while this thread has the account's."""
        if (account := self._account) is not None:
            account.abandoned.append(self)

    def take_end(self) -> Callable[[], None] | None:
        """For the account, under its lock: be over. Returns what lets the memory go, and forgets it: no cycle stays."""
        let_go, self._let_go, self._account, self.count = self._let_go, None, None, 0
        return let_go

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Release."""
        self.release()


class Holdings:
    """The account. `most_bytes` is the budget, of which one client may hold `share` (over 0, at most 1).

    What is let go no longer counts from that moment on; its memory follows as soon as its owner hears of it.
    """

    def __init__(self, most_bytes: int, share: float) -> None:
        self._share = share
        self.set_budget(most_bytes)
        self.abandoned: deque[Holding] = deque()
        self._total = 0
        self._by_client: dict[str, dict[Holding, None]] = {}  # who came first is first
        self._sums: dict[str, int] = {}
        self._lock = threading.Lock()

    def set_budget(self, most_bytes: int) -> None:
        """Set what is held at most; what is held already stays."""
        self.most_bytes = most_bytes
        self.share_bytes = int(most_bytes * self._share)

    @property
    def total_bytes(self) -> int:
        """What is held for all clients."""
        return self._total

    def of(self, client: str) -> int:
        """What is held for `client`, in bytes."""
        return self._sums.get(client, 0)

    def hold(self, client: str, count: int, let_go: Callable[[], None]) -> Holding:
        """Hold `count` bytes for `client`, before they are there.

        `let_go` is called at most once, from any thread and without a lock of ours, where others need the room; it
        must soon lead to the memory's release. It is not called after `release`.

        Raises:
            NoFreeSlot: there is no room for them.
        """
        holding = Holding(self, client, let_go)
        with self._lock:
            gone = self._make_room(holding, count)
            self._by_client.setdefault(client, {})[holding] = None
            self._add(holding, count)
        _tell(gone)
        return holding

    def grow(self, holding: Holding, count: int) -> None:
        """See Holding.grow."""
        with self._lock:
            if holding.is_over:
                raise NoFreeSlot(LET_GO)
            gone = self._make_room(holding, count)
            self._add(holding, count)
        _tell(gone)

    def shrink(self, holding: Holding, count: int) -> None:
        """See Holding.shrink."""
        with self._lock:
            if not holding.is_over:
                self._add(holding, -min(count, holding.count))

    def release(self, holding: Holding) -> None:
        """See Holding.release."""
        with self._lock:
            if not holding.is_over:
                self._forget(holding)

    def _add(self, holding: Holding, count: int) -> None:
        holding.count += count
        self._total += count
        self._sums[holding.client] = self._sums.get(holding.client, 0) + count

    def _forget(self, holding: Holding) -> Callable[[], None] | None:
        self._add(holding, -holding.count)
        theirs = self._by_client[holding.client]
        del theirs[holding]
        if not theirs:
            del self._by_client[holding.client], self._sums[holding.client]
        return holding.take_end()

    def _make_room(self, wanting: Holding, count: int) -> list[Callable[[], None] | None]:
        """Let go of others' until `count` more bytes fit, of nobody if they cannot; returns what to call for them."""
        while self.abandoned:
            if not (lost := self.abandoned.popleft()).is_over:
                self._forget(lost)
        would_hold = self._sums.get(wanting.client, 0) + count
        if would_hold > self.share_bytes:
            raise NoFreeSlot(_OVER_SHARE)
        if self._total + count <= self.most_bytes:
            return []
        return [self._forget(holding) for holding in self._those_to_go(would_hold, self._total + count)]

    def _those_to_go(self, would_hold: int, total: int) -> list[Holding]:
        sums = dict(self._sums)
        going: dict[str, Iterator[Holding]] = {}  # of each client: what it still has, the next to go first
        gone = []
        while total > self.most_bytes:
            client = max(sums, key=sums.__getitem__, default="")
            if would_hold >= sums.get(client, 0):
                raise NoFreeSlot(LET_GO)
            if client not in going:
                going[client] = iter(sorted(self._by_client[client], key=lambda holding: -holding.count))
            largest = next(going[client])
            gone.append(largest)
            sums[client] -= largest.count
            total -= largest.count
        return gone


def _tell(gone: list[Callable[[], None] | None]) -> None:
    for let_go in gone:
        if let_go is not None:
            let_go()


# three quarters for one client: a proxy that speaks for all cameras has enough, and others find room at once
HELD = Holdings(256 << 20, 0.75)  # this front's account; a setting says how much (max_held_mib)
