"""Bytes from the client's socket into a slot, past gunicorn's own body object.

This file reaches into gunicorn (its version is pinned). What it relies on, checked at every request:

* `wsgi.input` is a `gunicorn.http.body.Body` whose `reader` is a `LengthReader`: the body has a declared length and no
  one has read from it. Its `unreader` has `take_buffered()` and `unread()`, for the bytes that came with the headers.
* `gunicorn.socket` is a `PlainClient`: no TLS in between; camera_threads.py has let it `receive_in_steps`.

Where that does not hold (chunked, TLS, a body that was gathered) `plain_body` returns None and gathered.py does it.
"""

from __future__ import annotations

import functools
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from gunicorn import SERVER, util
from gunicorn.http.body import Body, LengthReader
from gunicorn.http.unreader import SocketUnreader

from service.wire.gathered import STEP_S, BodyPaused
from service.wire.gathering import Declared, Gathering
from service.wire.kernel_buffers import unread_bytes
from service.wire.request_head import last_head
from service.wire.unsent import PlainClient
from workers.errors import IncompleteBody

if TYPE_CHECKING:
    from workers.pool.exchange import Rest, Take

_STEP = struct.pack("ll", 0, int(STEP_S * 1e6))
_STEP_BYTES = 512 * 1024  # in a step: 100 Mbit/s bring 600 kB
_FLOW_BYTES = 32 * 1024  # what a body that flows has in the kernel by the time its head was read
_SOON_MS = 20
_LARGE_BYTES = 4 << 20  # several such bodies, waiting in the kernel, are more than a processor's cache holds
_NARROW_BYTES = 512 << 10
_OPEN_BYTES = 1 << 30


_large_bodies: set[object] = set()  # on their way in now


def receive_in_steps(connection: socket.socket) -> None:
    """Let no call that receives on this plain connection wait longer than one step: BlockingIOError then."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _STEP)


class PlainBody:
    """A body of declared length that still waits on a plain TCP socket, behind the bytes of its head.

    The socket is one that `receive_in_steps`. `early` is what came together with the head. It is a `Rest` of its frame
    from `begin` on.
    """

    def __init__(self, connection: socket.socket, head: bytes, early: memoryview, length: int) -> None:
        self._connection = connection
        self._head = head
        self._early = early[:length]
        self.length = length
        self.arrived = not length
        self._area = memoryview(b"")
        self._on_arrival: Callable[[], None] | None = None

    def await_flow(self) -> None:
        """Make sure, before a slot is taken, that the body flows; raises BodyPaused where it does not."""
        missing = min(self.length - len(self._early), _FLOW_BYTES)
        if missing > 0 and unread_bytes(self._connection) < missing and not _comes_soon(self._connection, missing):
            raise self._paused(self._early)

    def begin(self, area: memoryview, on_arrival: Callable[[], None] | None = None) -> Rest | None:
        """Put what came early to the start of `area`, and return the rest; None where that is all.

        `on_arrival` is called once the whole body was received.
        """
        self._area = area[: self.length]
        self._on_arrival = on_arrival
        self._area[: len(self._early)] = self._early
        if len(self._early) < self.length:
            return self
        self._arrive()
        return None

    def receive(self, take: Take) -> None:
        """See Rest.

        Raises:
            IncompleteBody: the client stopped sending.
            BodyPaused: it came slower than a link of 100 Mbit/s brings it. NoFreeSlot: so it did, and there is no room.
        """
        if self.length < _LARGE_BYTES:
            self._receive_rest(take)
        else:
            self._receive_large(take)
        self._arrive()

    def _arrive(self) -> None:
        self.arrived = True
        if self._on_arrival is not None:
            self._on_arrival()

    def _receive_large(self, take: Take) -> None:
        """Let no client run far ahead while others send too: what is read soon after it came is still in the cache.

        It saves a sixth of a raw frame's CPU at four cameras. A client that is alone would only be held up.
        """
        window_bytes = _NARROW_BYTES if _large_bodies else _OPEN_BYTES
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, window_bytes)
        _large_bodies.add(self)
        try:
            self._receive_rest(take)
        finally:
            _large_bodies.discard(self)
        if _large_bodies:  # the kernel has widened it meanwhile, and the next body begins before its head is read
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, _NARROW_BYTES)

    def _receive_rest(self, take: Take) -> None:
        got = len(self._early)
        while got < self.length:
            received = take(self._connection, got, self.length)
            if received == 0:
                raise IncompleteBody(f"the body ended after {got} of {self.length} bytes")
            got += max(received, 0)
            if got < self.length and received < _STEP_BYTES:
                raise self._paused(self._area[:got])

    def _paused(self, came: memoryview) -> BodyPaused:
        """Take what came out of the slot, which others need; raises NoFreeSlot where there is no room for it."""
        try:
            client = self._connection.getpeername()[0]
        except OSError:  # it has gone
            raise IncompleteBody(f"the body ended after {len(came)} of {self.length} bytes") from None
        body = Gathering(Declared(self.length), client)
        body.take(came)
        return BodyPaused(self._head, body)


def _comes_soon(connection: socket.socket, wanted_bytes: int) -> bool:
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, wanted_bytes)
    try:
        poll.poll(_SOON_MS)
    finally:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
    return unread_bytes(connection) >= wanted_bytes


def plain_body(env: dict[str, Any]) -> PlainBody | None:
    """Return the body for the short way, or None where only the portable way is right."""
    body: Any = env.get("wsgi.input")
    connection = env.get("gunicorn.socket")
    if type(body) is not Body or type(connection) is not PlainClient:
        return None
    reader = body.reader
    if type(reader) is not LengthReader or type(reader.unreader) is not SocketUnreader or body.buf.tell():
        return None
    head = last_head(reader.unreader)
    if head is None:
        return None
    early = reader.unreader.buf.getvalue()
    return PlainBody(connection, head, memoryview(early), reader.length)


def take_over(env: dict[str, Any]) -> None:
    """Tell gunicorn that the body is ours: it is neither to read it nor to go on behind it."""
    body: Any = env["wsgi.input"]
    unreader, length = body.reader.unreader, body.reader.length
    unreader.unread(unreader.take_buffered()[length:])
    body.reader.length = 0
    body.failed = True


def give_back(env: dict[str, Any]) -> None:
    """Tell gunicorn that the body was received, and that the next request follows."""
    env["wsgi.input"].failed = False


@functools.lru_cache(2)
def _date(now_s: int) -> str:
    """The time of a response; it has whole seconds."""
    return str(util.http_date(now_s))


def response_head(version: str, status: str, headers: Iterable[tuple[str, str]], *, keep: bool) -> bytes:
    """Return the head of a response as gunicorn would write it; `version` is that of HTTP, as "1.1"."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    return (
        f"HTTP/{version} {status}\r\nServer: {SERVER}\r\nDate: {_date(int(time.time()))}\r\n"
        f"Connection: {'keep-alive' if keep else 'close'}\r\n{lines}\r\n"
    ).encode("latin-1")
