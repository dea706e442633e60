"""Bodies on their way into memory of this front: each in one buffer, which is counted as it fills.

This is the one way in for all that does not go straight into a slot: bodies that come too slowly for that, chunked
ones, forms, what comes over TLS, and the small bodies of the API. A thread receives what is there. Where a body does
not flow its request is set aside: the lobby goes on with the same buffer, and once all of it is there the request
begins anew and finds it (`Gathered`).
"""

from __future__ import annotations

import mmap
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from gunicorn.http.body import LengthReader

from service.chunks import BoundedChunks, ChunkScanner
from service.heads import last_head
from service.holdings import HELD, LET_GO
from workers.errors import FrameTooLarge, IncompleteBody, NoFreeSlot

if TYPE_CHECKING:
    import socket

_FIRST_BYTES = 64 << 10
_MOST_READ_BYTES = 1 << 20  # in one call
_SCRATCH_BYTES = 64 << 10
STEP_S = 0.05  # no call that receives in a thread waits longer
_FLOWING_BYTES_S = 10 << 20  # 100 Mbit/s bring 12

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

    It holds an anonymous mapping, which returns to the system as soon as it is forgotten, and what of it is filled
    counts for `client`. Where others need the room more it is let go, by any thread: then everything raises
    NoFreeSlot, and `on_let_go` is called if it is there. `release` is for who no longer needs it.
    """

    def __init__(self, framing: Framing, client: str) -> None:
        self._framing = framing
        self._buffer: mmap.mmap | None = None
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
            buffer = self._buffer = mmap.mmap(-1, max(_FIRST_BYTES, count), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            buffer.madvise(mmap.MADV_NOHUGEPAGE)  # a huge page is two megabytes for the first byte
        elif wanted > len(buffer):
            buffer.resize(max(wanted, 2 * len(buffer)))
        return memoryview(buffer)[self.got : wanted]

    def grow(self, count: int) -> None:
        """Count bytes that were received into `room`."""
        self.got += count
        self._holding.cover(self.got)

    def keep(self, piece: memoryview) -> None:
        """Copy a piece behind the others."""
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


class SetAside(NamedTuple):
    """A request whose body is gathered elsewhere: the bytes of its head, and as much of its body as came."""

    head: bytes
    body: Gathering


class BodyPaused(BaseException):
    """A body does not flow: its request is set aside and begins anew once all of the body is there.

    Nothing has been done for the request yet. Not an Exception, so that nobody on the way takes it for a fault.
    """

    def __init__(self, head: bytes, body: Gathering) -> None:
        super().__init__(f"{body.got} of {body.length} bytes came")
        self.aside = SetAside(head, body)


class Gathered:
    """gunicorn's reader of a body that is all there."""

    def __init__(self, body: Gathering, unreader: Any) -> None:
        self.body = body
        self.unreader = unreader
        self._read = 0

    def read(self, size: int) -> bytes:
        """See gunicorn's readers; nothing is left once the body was released."""
        if self.body.got == self._read:
            return b""
        piece = bytes(self.body.view[self._read : self._read + size])
        self._read += len(piece)
        return piece

    def drop(self) -> None:
        """Give the memory back; the connection goes on behind the body."""
        self._read = self.body.got
        self.body.release()


def drop_gathered(body: Any) -> None:
    """Give the memory of a gunicorn `Body` back, where it was gathered; the connection goes on behind it."""
    if isinstance(body.reader, Gathered):
        body.reader.drop()


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


def gather(env: dict[str, Any], most_bytes: int) -> memoryview:
    """Return all of a request's body, at most `most_bytes`, in memory that is given back with the request's end.

    Raises:
        BodyPaused: it does not flow.
        FrameTooLarge, IncompleteBody, BodyInvalid, NoFreeSlot
    """
    body = env["wsgi.input"]
    if not isinstance(body.reader, Gathered):
        body.reader = _gather(env, most_bytes)
    if body.reader.body.got > most_bytes:
        raise FrameTooLarge(f"the body has more than {most_bytes} bytes")
    view: memoryview = body.reader.body.view
    return view


def _gather(env: dict[str, Any], most_bytes: int) -> Gathered:
    reader = env["wsgi.input"].reader
    unreader, connection = reader.unreader, env["gunicorn.socket"]
    body = Gathering(_framing(reader, most_bytes), str(env["REMOTE_ADDR"]))
    env["wsgi.input"].failed = True  # until all of it is there, nobody knows where the next request begins
    try:
        _receive_while_it_flows(connection, body, unreader, last_head(unreader))
    except Exception:
        body.release()
        raise
    unreader.unread(body.behind)
    env["wsgi.input"].failed = False
    return Gathered(body, unreader)


def _framing(reader: Any, most_bytes: int) -> Framing:
    if isinstance(reader, BoundedChunks):
        return Chunked(most_bytes)
    assert isinstance(reader, LengthReader)
    if reader.length > most_bytes:
        raise FrameTooLarge(f"the body has {reader.length} bytes, at most {most_bytes} are accepted")
    return Declared(reader.length)


def _receive_while_it_flows(connection: socket.socket, body: Gathering, unreader: Any, head: bytes | None) -> None:
    assert head is not None  # threads get whole heads
    early = memoryview(unreader.take_buffered())
    used = body.take(early)
    body.behind = bytes(early[used:])
    begun_s, before = time.monotonic(), body.got
    with _in_steps(connection):
        while not body.is_whole:
            received = body.receive(connection)
            if received == 0:
                raise IncompleteBody(ended_early(body))
            late_s = begun_s + STEP_S + (body.got - before) / _FLOWING_BYTES_S
            if not body.is_whole and (received < 0 or time.monotonic() > late_s):
                raise BodyPaused(head, body)


def ended_early(body: Gathering) -> str:
    """Say that a client stopped sending."""
    of = "a chunked body" if body.length is None else f"{body.length} bytes"
    return f"the body ended after {body.got} of {of}"


@contextmanager
def _in_steps(connection: socket.socket) -> Iterator[None]:
    """A plain connection waits no longer than a step anyway (wire.receive_in_steps), TLS only if it is told."""
    if not isinstance(connection, ssl.SSLSocket):
        yield
        return
    before_s = connection.gettimeout()
    connection.settimeout(STEP_S)
    try:
        yield
    finally:
        connection.settimeout(before_s)


def _this_threads_scratch() -> memoryview:
    if not hasattr(_scratch, "memory"):
        _scratch.memory = bytearray(_SCRATCH_BYTES)
    return memoryview(_scratch.memory)
