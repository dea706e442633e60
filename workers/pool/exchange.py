"""A frame's way through a front in one call: the rest of its body, the job queue, the wait for its worker.

In C (exchange.c, ADR 14) where that was built, in as many system calls from Python elsewhere. Both do the same.
"""

from __future__ import annotations

import ctypes
import select
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from workers.memory.slot import State, Word
from workers.native import load
from workers.pool.channel import Descriptor, forget_done, submit

if TYPE_CHECKING:
    from workers.memory.slot import Header

_LIBRARY = Path(__file__).with_name("libexchange.so")
_SOON_NS = 5_000_000  # most frames are done by then: their clients need not be watched
_SLOT = struct.Struct("QQqqq16s")  # header, area, submit_fd, done_fd, soon_ns, descriptor
_FRAME = struct.Struct("qqq")  # client_fd, got, length
_ILLEGAL = -2

# receives from a socket what is missing of a frame of which so many bytes are there, of so many; returns how many came:
# 0 where the client stopped sending, -1 where none came before the socket's timeout
Take = Callable[[socket.socket, int, int], int]


class Rest(Protocol):
    """What of a frame is still on its way: one byte at least, on a socket."""

    def receive(self, take: Take) -> None:
        """Have `take` receive it, part behind part, until it is whole; raises what its sender's faults call for."""


def receive_into(area: memoryview, connection: socket.socket, got: int, length: int) -> int:
    """Receive what is missing of the frame at the start of `area`, and do nothing else; for the rest see Take."""
    try:
        # one call takes the whole frame: the kernel waits for the rest, and for all of it no longer than its timeout
        return connection.recv_into(area[got:length], 0, socket.MSG_WAITALL)
    except BlockingIOError:
        return -1
    except ConnectionError:
        return 0


def await_done(header: Header, done_fd: int, until_ns: int, client_fd: int = -1) -> None:
    """Wait until the slot is DONE, it is `until_ns` (CLOCK_MONOTONIC), or the client, -1 for none, has gone."""
    waiter = select.poll()
    waiter.register(done_fd, select.POLLIN)
    if client_fd >= 0:
        # a client that closes its sending side while it waits is taken for gone, as nginx takes it
        waiter.register(client_fd, select.POLLRDHUP)
    while header.state is not State.DONE and (left_ns := until_ns - time.monotonic_ns()) > 0:
        woken = waiter.poll(left_ns / 1e6)
        if woken:
            forget_done(done_fd)
            if any(fd == client_fd for fd, _ in woken):
                return


class Exchange:
    """One slot's, of the front that owns it; for one thread at a time.

    `go` and `take` end when the slot is DONE or overdue, or was not done soon: then somebody has to go on waiting.
    """

    def __init__(self, header: Header, area: memoryview, submit_fd: int, done_fd: int) -> None:
        self._header = header
        self._area = area
        self._submit_fd = submit_fd
        self._done_fd = done_fd
        self._errand = bytearray(_SLOT.size + _FRAME.size)
        places = _address(header.words), _address(area)
        _SLOT.pack_into(self._errand, 0, *places, submit_fd, done_fd, _SOON_NS, Descriptor(header.index, 0).pack())
        self._errand_at = ctypes.c_void_p(_address(self._errand))

    def go(self) -> None:
        """Queue the slot, whose frame is all there."""
        if _exchange is None:
            self._queue_and_wait()
            return
        _FRAME.pack_into(self._errand, _SLOT.size, -1, 0, 0)
        if _exchange(self._errand_at) == _ILLEGAL:
            raise self._header.not_filling()

    def take(self, connection: socket.socket, got: int, length: int) -> int:
        """Receive what is missing and, where all of it came, queue the slot: see Take."""
        if not 0 <= got < length <= len(self._area):  # C knows no bounds
            msg = f"{got} of {length} bytes came for an area of {len(self._area)}"
            raise ValueError(msg)
        if _exchange is None:
            came = receive_into(self._area, connection, got, length)
            if came == length - got:
                self._queue_and_wait()
            return came
        _FRAME.pack_into(self._errand, _SLOT.size, connection.fileno(), got, length)
        came = _exchange(self._errand_at)
        if came == _ILLEGAL:
            raise self._header.not_filling()
        return came

    def _queue_and_wait(self) -> None:
        words = self._header.words
        descriptor, due_ns = Descriptor(self._header.index, words[Word.GENERATION]), words[Word.DEADLINE_NS]
        now_ns = time.monotonic_ns()
        self._header.queue(now_ns)
        submit(self._submit_fd, descriptor)
        await_done(self._header, self._done_fd, min(now_ns + _SOON_NS, due_ns))


def _address(memory: memoryview | bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def _load() -> Callable[[ctypes.c_void_p], int] | None:
    """Return the C function; None where it was not built or cannot be loaded."""
    library = load(_LIBRARY, "frames take the longer way to their workers")
    if library is None:
        return None
    exchange: Callable[[ctypes.c_void_p], int] = library.framemill_exchange
    exchange.argtypes = [ctypes.c_void_p]  # type: ignore[attr-defined]
    exchange.restype = ctypes.c_long  # type: ignore[attr-defined]
    return exchange


_exchange = _load()
