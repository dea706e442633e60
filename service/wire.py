"""Bytes between the client's socket and a slot, past gunicorn's own body and response objects.

This is the one file that reaches into gunicorn (its version is pinned). What it relies on, checked at every request:

* `wsgi.input` is a `gunicorn.http.body.Body` whose `reader` is a `LengthReader`: the body has a declared length and no
  one has read from it. Its `unreader` has `take_buffered()` and `unread()`, for the bytes that came with the headers.
* `gunicorn.socket` is a plain `socket.socket`: no TLS in between.
* writing `b""` makes the response send its headers; after that the socket is ours until the response is over.

Where that does not hold (chunked, TLS, multipart, another server) `plain_body` returns None and body.py goes the
portable way.
"""

from __future__ import annotations

import functools
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from gunicorn import SERVER, util
from gunicorn.http.body import Body, LengthReader
from gunicorn.http.unreader import SocketUnreader

from workers.errors import BodyTooSlow, IncompleteBody

_NO_LIMIT = struct.pack("ll", 0, 0)
_HOLD_SLOT_S = 0.25  # a client that has not taken its picture by then gets it from a copy


def _seconds(limit_s: float) -> bytes:
    whole = int(limit_s)
    return struct.pack("ll", whole, max(1, int((limit_s - whole) * 1e6)))


class PlainBody:
    """A body of declared length that still waits on a plain TCP socket."""

    def __init__(self, body: Body, reader: LengthReader, connection: socket.socket) -> None:
        self._body = body
        self._reader = reader
        self._connection = connection
        self.length: int = reader.length
        self.unreader: SocketUnreader = reader.unreader

    def receive_into(self, area: memoryview, limit_s: float) -> None:
        """Receive the whole body to the start of `area` in at most `limit_s` seconds.

        Raises:
            IncompleteBody: the client stopped sending.
            BodyTooSlow: time was up. After either the connection is closed: what would come next is unknown.
        """
        early = self._reader.unreader.take_buffered()
        if len(early) > self.length:
            self._reader.unreader.unread(early[self.length :])
        self._reader.length = 0
        self._body.failed = True
        fill(area[: self.length], memoryview(early)[: self.length], self._connection, limit_s)
        self._body.failed = False


def fill(area: memoryview, early: memoryview, connection: socket.socket, limit_s: float) -> None:
    """Fill `area` with bytes that came early, and the rest from a blocking `connection`; raises as `receive_into`."""
    got, length = len(early), len(area)
    area[:got] = early
    if got == length:
        return
    give_up = time.monotonic() + limit_s
    # one call takes the whole frame: the kernel waits for the rest, and for all of it no longer than the limit
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _seconds(limit_s))
    try:
        while got < length:
            try:
                received = connection.recv_into(area[got:], 0, socket.MSG_WAITALL)
            except BlockingIOError:
                received = -1
            if received == 0:
                raise IncompleteBody(f"the body ended after {got} of {length} bytes")
            got += max(received, 0)
            if got < length and time.monotonic() >= give_up:
                raise BodyTooSlow(f"{got} of {length} bytes came within {limit_s:g} s")
    finally:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _NO_LIMIT)


def plain_body(env: dict[str, Any]) -> PlainBody | None:
    """Return the body for the short way, or None where only the portable way is right."""
    body: Any = env.get("wsgi.input")
    connection = env.get("gunicorn.socket")
    if type(body) is not Body or type(connection) is not socket.socket:
        return None
    reader = body.reader
    if type(reader) is not LengthReader or type(reader.unreader) is not SocketUnreader or body.buf.tell():
        return None
    return PlainBody(body, reader, connection)


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


@contextmanager
def bounded_reads(env: dict[str, Any], limit_s: float) -> Iterator[None]:
    """Let no single read from the client's socket wait longer than `limit_s`, TLS or not: TimeoutError then."""
    connection = env.get("gunicorn.socket")
    if connection is None:  # another server, with limits of its own
        yield
        return
    connection.settimeout(limit_s)
    try:
        yield
    finally:
        connection.settimeout(None)


class SlotStream:
    """An answer sent from the slot, as a WSGI iterable; `release` gives the slot back, once, whatever happens."""

    def __init__(self, env: dict[str, Any], view: memoryview, send_s: float, release: Callable[[], None]) -> None:
        connection = env.get("gunicorn.socket")
        self._connection = connection if type(connection) is socket.socket else None
        self._view = view
        self._send_s = send_s
        self._release: Callable[[], None] | None = release

    def __iter__(self) -> Iterator[bytes]:
        """Send as much as the client takes at once; give the slot back and leave the rest to the server."""
        rest = self._view
        if self._connection is not None:
            yield b""
            rest = _send_some(self._connection, rest)
            if rest:
                self._connection.settimeout(self._send_s)
        copied = bytes(rest)
        self.close()
        if copied:
            yield copied

    def close(self) -> None:
        """Give the slot back; WSGI servers call this at the end in any case."""
        if self._release is not None:
            release, self._release = self._release, None
            release()


def _send_some(connection: socket.socket, view: memoryview) -> memoryview:
    """Send until all is sent or the client has been slow for too long; returns what is left."""
    poll = select.poll()
    poll.register(connection, select.POLLOUT)
    give_up = time.monotonic() + _HOLD_SLOT_S
    while view:
        left_s = give_up - time.monotonic()
        if left_s <= 0 or not poll.poll(left_s * 1000):
            break
        try:
            view = view[connection.send(view, socket.MSG_DONTWAIT) :]
        except BlockingIOError:
            continue
    return view
