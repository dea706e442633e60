"""A camera says the same with each frame, so all but the first are answered without being understood anew.

What a request asks for is a pure function of its head, of settings that do not change, of the keys of now and of its
peer. So once a
request was answered with a context, its connection remembers the head, byte for byte, with what it asked for. The next
request with these very bytes goes from the socket to the pool and back: no parser, no WSGI, no routing. Whatever is not
plain (another head, no worker ready, a server that stops) goes the ordinary way, and what was read is given back.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Any, NamedTuple

from gunicorn import util

from service.body import Bring, Received
from service.errors import answer_to
from service.heads import last_head
from service.keyring import Keyring
from service.keys import RING
from service.wire import PlainBody, plain_body, response_head

_log = logging.getLogger(__name__)

_LONGEST_HEAD_BYTES = 4096  # longer ones are rare, and would be kept for as long as their connection lives

# has a frame inspected; returns its context, or None where the ordinary way must be taken and nothing was read
Again = Callable[[Bring], bytes | None]


_NO_KEYS = Keyring(())


class _Known(NamedTuple):
    head: bytes
    body_bytes: int
    again: Again
    ring: Keyring = _NO_KEYS


def remember(env: dict[str, Any], again: Again) -> None:
    """Let the connection of a request answer the same request again by `again`, where its bytes are within reach."""
    body = plain_body(env)
    if body is None or "HTTP_EXPECT" in env or env["SERVER_PROTOCOL"] != "HTTP/1.1":
        return
    unreader = env["wsgi.input"].reader.unreader
    head = last_head(unreader)
    if head is not None and len(head) <= _LONGEST_HEAD_BYTES:
        unreader.repeat = _Known(head, int(env.get("CONTENT_LENGTH", "0")), again, env.get(RING, _NO_KEYS))


def answer_again(unreader: Any, connection: socket.socket) -> bool | None:
    """Answer the next request if it is known: True to keep the connection, False to close it, None if it is not known.

    May wait for the first bytes of that request; whatever was read is given back where the answer is None.
    """
    known: _Known | None = getattr(unreader, "repeat", None)
    if known is None:
        return None
    if connection.gettimeout() is not None:  # gunicorn's main thread has had it
        connection.setblocking(True)
    try:
        first = unreader.read()
        early = memoryview(first)[len(known.head) :]
        answer = None
        # looked at after the wait for these bytes: a key may have been taken away meanwhile
        if not known.ring.retired and first.startswith(known.head) and len(early) <= known.body_bytes:
            body = PlainBody(connection, known.head, early, known.body_bytes)
            answer = _answer(known, _Frame(body, connection))
        if answer is None:
            unreader.unread(first)
            return None
        whole, keep = answer
        util.write(connection, whole)
    except OSError as error:
        _log.debug("a camera went away: %s", error)
        return False
    return keep


class _Frame:
    """The body of a request whose head is known."""

    def __init__(self, body: PlainBody, connection: socket.socket) -> None:
        self.body = body
        self.client_fd = connection.fileno()

    def prepare(self, *, scarce: bool) -> None:
        """See body.Bring."""
        if scarce:
            self.body.await_flow()

    def into(self, area: memoryview, _part: str) -> Received:
        """See body.Bring."""
        self.body.receive_into(area)
        return Received(self.body.length)


def _answer(known: _Known, frame: _Frame) -> tuple[bytes, bool] | None:
    """Return the response, and whether the connection goes on after it."""
    try:
        context = known.again(frame)
    except Exception as error:  # noqa: BLE001 - whatever it was, this frame's client gets an answer
        status, headers, body = answer_to(error)
    else:
        if context is None:
            return None
        status, headers, body = "200 OK", [("Content-Type", "application/json")], context
    head = response_head("1.1", status, [*headers, ("Content-Length", str(len(body)))], keep=frame.body.arrived)
    return head + body, frame.body.arrived
