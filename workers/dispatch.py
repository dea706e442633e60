"""Handing a slot to the worker processes and waiting for it."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from workers.channel import forget_done
from workers.exchange import Exchange
from workers.slot import State, Word

if TYPE_CHECKING:
    from workers.channel import Channel
    from workers.exchange import Rest
    from workers.slot import Header


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
            _go_on_waiting(header, self._channel.done_fds[header.index], client_fd, due_ns)

    def _meet(self, header: Header, area: memoryview) -> Exchange:
        channel = self._channel
        met = Exchange(header, area, channel.submit_fd, channel.done_fds[header.index])
        self._exchanges[header.index] = met
        return met


def _go_on_waiting(header: Header, done_fd: int, client_fd: int, due_ns: int) -> None:
    waiter = select.poll()
    waiter.register(done_fd, select.POLLIN)
    if client_fd >= 0:
        # a client that closes its sending side while it waits is taken for gone, as nginx takes it
        waiter.register(client_fd, select.POLLRDHUP)
    while header.state is not State.DONE:
        left_ms = (due_ns - time.monotonic_ns()) / 1e6
        if left_ms <= 0:
            return
        woken = waiter.poll(left_ms)
        if woken:
            forget_done(done_fd)
            if any(fd == client_fd for fd, _ in woken):
                return
