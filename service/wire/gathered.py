"""Bodies that are all there, and requests that wait for theirs.

A thread receives what is there of a body. Where it does not flow its request is set aside: the lobby goes on with the
same buffer without a thread (slow_bodies.py), and once all of it is there the request begins anew and finds it.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from gunicorn.http.body import LengthReader

from service.wire.chunks import BoundedChunks
from service.wire.gathering import Chunked, Declared, Gathering, ended_early
from service.wire.request_head import last_head
from workers.errors import FrameTooLarge, IncompleteBody

if TYPE_CHECKING:
    import socket

    from service.wire.gathering import Framing

STEP_S = 0.05  # no call that receives in a thread waits longer
_FLOWING_BYTES_S = 10 << 20  # 100 Mbit/s bring 12


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
