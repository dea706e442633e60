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

_SOON_MS = 5.0  # most frames are done by then: their clients need not be watched


class QueueDispatch:
    """Announces a slot in the job queue, then waits on its eventfd until it is DONE, overdue, or nobody wants it."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._waiters = [select.poll() for _ in channel.done_fds]  # made once: a slot is waited for by one thread
        for waiter, done_fd in zip(self._waiters, channel.done_fds, strict=True):
            waiter.register(done_fd, select.POLLIN)

    def __call__(self, header: Header, client_fd: int) -> None:
        """See Dispatch in lease.py."""
        words = header.words
        deadline_ns = words[Word.DEADLINE_NS]  # read once: a worker that writes at random may change it
        done_fd = self._channel.done_fds[header.index]
        submit(self._channel.submit_fd, Descriptor(header.index, words[Word.GENERATION]))
        waiter = self._waiters[header.index]
        watched = client_fd < 0
        while header.state is not State.DONE:
            left_ms = (deadline_ns - time.monotonic_ns()) / 1e6
            if left_ms <= 0:
                return
            woken = waiter.poll(left_ms if watched else min(left_ms, _SOON_MS))
            if woken:
                forget_done(done_fd)
                if watched and any(fd == client_fd for fd, _ in woken):
                    return
            elif not watched:
                # a client that closes its sending side while it waits is taken for gone, as nginx takes it
                waiter = select.poll()
                waiter.register(done_fd, select.POLLIN)
                waiter.register(client_fd, select.POLLRDHUP)
                watched = True
