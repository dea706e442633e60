"""Handing a queued slot to the worker processes and waiting for it."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from workers.channel import Descriptor, forget_done, submit
from workers.slot import State, Word

if TYPE_CHECKING:
    from workers.channel import Channel
    from workers.slot import Header


class QueueDispatch:
    """Announces a slot in the job queue, then waits on its eventfd until it is DONE, overdue, or nobody wants it."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def __call__(self, header: Header, client_fd: int) -> None:
        """See Dispatch in lease.py."""
        words = header.words
        done_fd = self._channel.done_fds[header.index]
        submit(self._channel.submit_fd, Descriptor(header.index, words[Word.GENERATION]))
        waiter = select.poll()
        waiter.register(done_fd, select.POLLIN)
        if client_fd >= 0:
            # a client that closes its sending side while it waits is taken for gone, as nginx takes it
            waiter.register(client_fd, select.POLLRDHUP)
        while header.state is not State.DONE:
            left_ns = words[Word.DEADLINE_NS] - time.monotonic_ns()
            if left_ns <= 0:
                return
            woken = {fd for fd, _ in waiter.poll(left_ns / 1e6)}
            forget_done(done_fd)
            if client_fd in woken:
                return
