"""Handing a slot to the worker processes and waiting for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.memory.slot import State, Word
from workers.pool.channel import signal_done
from workers.pool.exchange import Exchange, await_done

if TYPE_CHECKING:
    from workers.memory.slot import Header
    from workers.pool.channel import Channel
    from workers.pool.exchange import Rest


class QueueDispatch:
    """Announces a slot in the job queue, then waits on its eventfd until it is DONE, overdue, or nobody wants it."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._exchanges: dict[int, Exchange] = {}

    def __call__(self, header: Header, area: memoryview, client_fd: int, rest: Rest | None) -> None:
        """See Dispatch in lease.py."""
        due_ns = header.words[Word.DEADLINE_NS]  # read once: a worker that writes at random may change it
        exchange = self._exchanges.get(header.index) or self._meet(header, area)
        if rest is None:
            exchange.go()
        else:
            rest.receive(exchange.take)
        if header.state is not State.DONE:
            await_done(header, self._channel.done_fds[header.index], due_ns, client_fd)

    def wake(self, slot: int) -> None:
        """Have whoever waits for this slot, in any front, look at it."""
        signal_done(self._channel.done_fds[slot])

    def _meet(self, header: Header, area: memoryview) -> Exchange:
        channel = self._channel
        met = Exchange(header, area, channel.submit_fd, channel.done_fds[header.index])
        self._exchanges[header.index] = met
        return met
