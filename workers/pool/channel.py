"""How a job reaches an idle worker, and how its end reaches the front that waits.

One `SOCK_SEQPACKET` socket pair: fronts send descriptors into one end, all idle workers wait on the other, and the
kernel hands each descriptor to one of them. No broker, no hop, no lock in user space. Descriptor, little endian::

     0        4          8                 16
    +--------+----------+-----------------+
    | "FMJ1" | slot u32 | generation u64  |
    +--------+----------+-----------------+

Both directions are hints. A descriptor that a dying worker took with it is gone, and is sent again; one sent twice is
refused by the claim (claim.py). An eventfd may be stale or may have been written twice: who wakes looks at the slot.
"""

from __future__ import annotations

import os
import select
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

_DESCRIPTOR = struct.Struct("<4sIQ")
_MAGIC = b"FMJ1"
_BEAT_S = 0.5


class Descriptor(NamedTuple):
    """Says which slot waits, and which of the frames that sat in it is meant."""

    slot: int
    generation: int

    def pack(self) -> bytes:
        """Return the bytes to send."""
        return _DESCRIPTOR.pack(_MAGIC, self.slot, self.generation)

    @classmethod
    def unpack(cls, packed: bytes) -> Descriptor:
        """Read what was received; raises ValueError where it is not a descriptor."""
        if len(packed) != _DESCRIPTOR.size:
            msg = f"a descriptor has {_DESCRIPTOR.size} bytes, got {len(packed)}"
            raise ValueError(msg)
        magic, slot, generation = _DESCRIPTOR.unpack(packed)
        if magic != _MAGIC:
            msg = f"a descriptor starts with {_MAGIC!r}, got {magic!r}"
            raise ValueError(msg)
        return cls(slot, generation)


@dataclass(frozen=True, slots=True)
class Channel:
    """The descriptors (file descriptors, inherited by number) that jobs and their ends travel through."""

    submit_fd: int
    inbox_fd: int
    done_fds: tuple[int, ...]

    @classmethod
    def create(cls, slots: int) -> Channel:
        """Make the job queue and one completion eventfd per slot."""
        submit, inbox = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        flags = os.EFD_CLOEXEC | os.EFD_NONBLOCK
        return cls(submit.detach(), inbox.detach(), tuple(os.eventfd(0, flags) for _ in range(slots)))

    @property
    def front_fds(self) -> tuple[int, ...]:
        """What a front needs to inherit."""
        return (self.submit_fd, *self.done_fds)


def submit(submit_fd: int, descriptor: Descriptor) -> bool:
    """Announce a job; False where the queue is full (the supervisor announces it again then)."""
    try:
        os.write(submit_fd, descriptor.pack())
    except BlockingIOError:
        return False
    return True


def signal_done(done_fd: int) -> None:
    """Wake whoever waits for the slot."""
    os.eventfd_write(done_fd, 1)


def forget_done(done_fd: int) -> None:
    """Drop a wake-up that nobody waited for."""
    try:
        os.eventfd_read(done_fd)
    except BlockingIOError:
        return


def told_to_go(lifeline_fd: int, beat: Callable[[], None]) -> bool:
    """Wait for the byte that sends a worker to work; False at the end of its lifeline. `beat` as for Inbox."""
    waiter = select.poll()
    waiter.register(lifeline_fd, select.POLLIN)
    while not waiter.poll(_BEAT_S * 1000):
        beat()
    return bool(os.read(lifeline_fd, 1))


class Inbox:
    """A worker's end: waits for a descriptor, or for the end of the supervisor's patience.

    `beat` is called at least twice a second while it waits: so the supervisor can tell an idle worker from a stuck one.
    The `lifeline` is a pipe whose other end only the supervisor holds. Its closing is the message to stop: the kernel
    sends it whatever ends the supervisor, and user code cannot mask it as it could a signal.
    """

    def __init__(self, inbox_fd: int, lifeline_fd: int, beat: Callable[[], None]) -> None:
        self._beat = beat
        self._inbox_fd = inbox_fd
        self._lifeline_fd = lifeline_fd
        self._epoll = select.epoll()
        self._epoll.register(lifeline_fd, select.EPOLLIN | select.EPOLLHUP)
        # exclusive: one descriptor wakes one worker, not all of them
        self._epoll.register(inbox_fd, select.EPOLLIN | select.EPOLLEXCLUSIVE)

    @property
    def fd(self) -> int:
        """The descriptor of its own that it waits with."""
        return self._epoll.fileno()

    def next(self) -> Descriptor | None:
        """Wait for the next job; None when this worker is asked to stop."""
        while True:
            ready = self._epoll.poll(_BEAT_S)
            self._beat()
            if not ready:
                continue
            if ready[0][0] == self._lifeline_fd or ready[-1][0] == self._lifeline_fd:
                return None
            try:
                packed = os.read(self._inbox_fd, _DESCRIPTOR.size + 1)
            except BlockingIOError:
                continue
            if not packed:
                return None
            return Descriptor.unpack(packed)
