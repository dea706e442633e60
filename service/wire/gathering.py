"""Bodies on their way into memory of this front: each in one buffer, which is counted as it fills.

This is the one way in for all that does not go straight into a slot: bodies that come too slowly for that, chunked
ones, forms, what comes over TLS, and the small bodies of the API (gathered.py).
"""

from __future__ import annotations

import mmap
import ssl
import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol

from service.wire.chunks import ChunkScanner
from service.wire.holdings import HELD, LET_GO
from workers.errors import NoFreeSlot

if TYPE_CHECKING:
    import socket

_FIRST_BYTES = 64 << 10
_SMALL_BYTES = 16 << 10
_MOST_READ_BYTES = 256 << 10  # in one call, before it is counted
_SCRATCH_BYTES = 64 << 10

_scratch = threading.local()


class Framing(Protocol):
    """How a body's end is known."""

    @property
    def length(self) -> int | None:
        """The declared length; None where the body itself says where it ends."""

    def receive(self, connection: socket.socket, body: Gathering) -> int:
        """Receive once; see `receive_into`."""

    def take(self, early: memoryview, body: Gathering) -> int:
        """Put what came early into `body`; returns how much of it is the body's."""

    def is_whole(self, got: int) -> bool:
        """Whether there is nothing to come after so many bytes."""


class Declared:
    """A body of a declared length: it is received straight into its buffer."""

    def __init__(self, length: int) -> None:
        self.length = length

    def receive(self, connection: socket.socket, body: Gathering) -> int:
        """See Framing."""
        most = min(self.length - body.got, _MOST_READ_BYTES)
        received = receive_into(connection, body.room(most))
        body.grow(max(received, 0))
        return received

    def take(self, early: memoryview, body: Gathering) -> int:
        """See Framing."""
        took = early[: self.length - body.got]
        body.keep(took)
        return len(took)

    def is_whole(self, got: int) -> bool:
        """See Framing."""
        return got == self.length


class Chunked:
    """A chunked body of at most `most_bytes`: what is between the data has to be taken out."""

    length = None

    def __init__(self, most_bytes: int) -> None:
        self._scanner = ChunkScanner(most_bytes)

    def receive(self, connection: socket.socket, body: Gathering) -> int:
        """See Framing."""
        scratch = _this_threads_scratch()
        received = receive_into(connection, scratch[:])
        if received > 0:
            used = self.take(scratch[:received], body)
            body.behind = bytes(scratch[used:received])
        return received

    def take(self, early: memoryview, body: Gathering) -> int:
        """See Framing."""
        return self._scanner.feed(early, body.keep)

    def is_whole(self, got: int) -> bool:
        """See Framing."""
        del got
        return self._scanner.is_over


class Gathering:
    """One body, as much as came of it.

    Where it is not small it is an anonymous mapping, which returns to the system as soon as it is forgotten. What of it
    is filled counts for `client`. Where others need the room more it is let go, by any thread: then everything raises
    NoFreeSlot, and `on_let_go` is called if it is there. `release` is for who no longer needs it.
    """

    def __init__(self, framing: Framing, client: str) -> None:
        self._framing = framing
        self._buffer: mmap.mmap | bytearray | None = None
        self.is_over = False
        self.got = 0
        self.behind = b""  # what was received after the body's end: the next request's
        self.on_let_go: Callable[[], None] | None = None
        self._holding = HELD.hold(client, 0, partial(_let_go, weakref.ref(self)))

    @property
    def length(self) -> int | None:
        """The declared length; None where there is none."""
        return self._framing.length

    @property
    def is_whole(self) -> bool:
        """Whether all of it is there."""
        return self._framing.is_whole(self.got)

    @property
    def view(self) -> memoryview:
        """What came; raises NoFreeSlot where it was let go."""
        if self.is_over:
            raise NoFreeSlot(LET_GO)
        return memoryview(b"" if self._buffer is None else self._buffer)[: self.got]

    def receive(self, connection: socket.socket) -> int:
        """Receive once, as long as the socket waits; how many bytes, 0 at the end, -1 where nothing came.

        Raises:
            NoFreeSlot: there is no room for more. BodyInvalid, FrameTooLarge: see ChunkScanner.
        """
        return self._framing.receive(connection, self)

    def take(self, early: memoryview) -> int:
        """Keep what came early; returns how much of it is this body's. Raises as `receive`."""
        return self._framing.take(early, self)

    def room(self, count: int) -> memoryview:
        """Return memory for up to `count` bytes more, which `grow` then counts."""
        self._holding.cover(self.got + 1)
        buffer, wanted = self._buffer, self.got + count
        if self.is_over:
            raise NoFreeSlot(LET_GO)
        if buffer is None:
            buffer = self._buffer = self._new_buffer(count)
        elif wanted > len(buffer):
            assert isinstance(buffer, mmap.mmap)  # a small one has its declared length
            buffer.resize(max(wanted, 2 * len(buffer)))
        return memoryview(buffer)[self.got : wanted]

    def _new_buffer(self, count: int) -> mmap.mmap | bytearray:
        length = self._framing.length
        if length is not None and length <= _SMALL_BYTES:  # a mapping would cost such a body a tenth of its time
            self._holding.cover(length)
            return bytearray(length)
        mapping = mmap.mmap(-1, max(_FIRST_BYTES, count), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        mapping.madvise(mmap.MADV_NOHUGEPAGE)  # a huge page is two megabytes for the first byte
        return mapping

    def grow(self, count: int) -> None:
        """Count bytes that were received into `room`."""
        self.got += count
        self._holding.cover(self.got)

    def keep(self, piece: memoryview) -> None:
        """Copy a piece behind the others."""
        self._holding.cover(self.got + len(piece))
        with self.room(len(piece)) as room:
            room[:] = piece
        self.grow(len(piece))

    def release(self) -> None:
        """Give the memory back; as often as one likes."""
        self.is_over, self._buffer, self.on_let_go, self.behind = True, None, None, b""
        self._holding.release()

    def let_go(self) -> None:
        """Give the memory back to others, and tell who waits for this body."""
        tell = self.on_let_go
        self.release()
        if tell is not None:
            tell()

    def __del__(self) -> None:
        """Give the memory back where nobody did: whatever happened, it does not stay counted."""
        if hasattr(self, "_holding"):
            self._holding.abandon()


def _let_go(body: weakref.ref[Gathering]) -> None:
    """For the account, which does not keep the body."""
    if (here := body()) is not None:
        here.let_go()


def receive_into(connection: socket.socket, area: memoryview) -> int:
    """Receive once into `area`, as long as the socket waits, TLS or not.

    Returns how many bytes came, 0 at the end, which a broken connection is too, and -1 where nothing came.
    """
    with area:
        try:
            return connection.recv_into(area)
        except (BlockingIOError, TimeoutError, ssl.SSLWantReadError):
            return -1
        except ssl.SSLWantWriteError:
            raise
        except OSError:
            return 0


def ended_early(body: Gathering) -> str:
    """Say that a client stopped sending."""
    of = "a chunked body" if body.length is None else f"{body.length} bytes"
    return f"the body ended after {body.got} of {of}"


def _this_threads_scratch() -> memoryview:
    if not hasattr(_scratch, "memory"):
        _scratch.memory = bytearray(_SCRATCH_BYTES)
    return memoryview(_scratch.memory)
