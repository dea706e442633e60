"""A camera says the same with each frame, so all but the first are answered without being understood anew.

What a request asks for is a pure function of its head, of settings that do not change, of the keys of now and of its
peer. So once a request was answered with a context, its connection remembers the head, byte for byte, with what it
asked for. The next request with these very bytes goes from the socket to the pool and back: no parser, no WSGI, no
routing. Only the body's length may be another one, for files differ from frame to frame; and a connection remembers a
few heads, for a camera may go round a few segments. Whatever is not plain (another head, a length that would be
refused, no worker ready, a server that stops) goes the ordinary way, and what was read is given back.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from service.access.key_check import RING
from service.access.keyring import Keyring
from service.errors import answer_to
from service.intake.body import Bring, Received
from service.logs.request_log import LOG
from service.logs.trace import TRACE, Trace
from service.wire.plain_body import PlainBody, plain_body, response_head
from service.wire.request_head import last_head
from service.wire.unsent import Outgoing
from workers.errors import InternalError

_log = logging.getLogger(__name__)

_LONGEST_HEAD_BYTES = 4096  # longer ones are rare, and would be kept for as long as their connection lives
_MOST_HEADS = 8
_DIGITS = re.compile(rb"[0-9]{1,10}")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,10})[ \t]*\r\n", re.IGNORECASE)

# has a frame inspected whose body has so many bytes, for the request of that trace; returns its context, or None where
# the ordinary way must be taken and nothing was read
Again = Callable[[Bring, int, Trace], bytes | None]


_NO_KEYS = Keyring(())
# the latter two are other ones with each request, so their heads never come again
_NOT_REPEATED = frozenset({"HTTP_EXPECT", "HTTP_X_REQUEST_ID", "HTTP_TRACEPARENT"})


class _Known(NamedTuple):
    """A head, up to the digits of its body's length and from there on; all of it is `before` where it has none.

    It says nothing of an id or a trace of the client's: each request with it has an id of its own.
    """

    before: bytes
    after: bytes
    again: Again
    ring: Keyring = _NO_KEYS
    method: str = ""
    path: str = ""

    def find(self, first: bytes) -> tuple[int, int] | None:
        """Return the bytes of the head that `first` begins with, and of its body; None where it is another head."""
        if not first.startswith(self.before):
            return None
        if not self.after:
            return len(self.before), 0
        digits = _DIGITS.match(first, len(self.before))
        if digits is None or not first.startswith(self.after, digits.end()):
            return None
        return digits.end() + len(self.after), int(digits[0])


def remember(env: dict[str, Any], again: Again) -> None:
    """Let the connection of a request answer the same request again by `again`, where its bytes are within reach."""
    body = plain_body(env)
    if body is None or env["SERVER_PROTOCOL"] != "HTTP/1.1" or not env.keys().isdisjoint(_NOT_REPEATED):
        return
    unreader = env["wsgi.input"].reader.unreader
    head = last_head(unreader)
    if head is not None and len(head) <= _LONGEST_HEAD_BYTES:
        found = _LENGTH.search(head)
        parts = (head[: found.start(1)], head[found.end(1) :]) if found else (head, b"")
        others = [known for known in getattr(unreader, "repeat", ()) if known[:2] != parts]
        trace: Trace = env.get(TRACE) or Trace()
        known = _Known(*parts, again, env.get(RING, _NO_KEYS), trace.method, trace.path)
        unreader.repeat = [*others[1 - _MOST_HEADS :], known]


def answer_again(unreader: Any, connection: Outgoing) -> bool | None:
    """Answer the next request if it is known: True to keep the connection, False to close it, None if it is not known.

    May wait for the first bytes of that request; whatever was read is given back where the answer is None.
    """
    heads: list[_Known] | None = getattr(unreader, "repeat", None)
    if heads is None:
        return None
    if connection.gettimeout() is not None:  # gunicorn's main thread has had it
        connection.setblocking(True)
    try:
        first: bytes = unreader.read()
        answer = _find_and_answer(heads, first, connection)
        if answer is None:
            unreader.unread(first)
            return None
        try:
            connection.sendall(answer.whole)
        finally:  # behind the answer: its client need not wait while a reader of lines is woken
            LOG.tell(answer.trace, "", answer.status, answer.code, answer.body_bytes)
    except OSError as error:
        _log.debug("a camera went away: %s", error)
        return False
    return answer.keep


class _Answer(NamedTuple):
    """A response, whether the connection goes on after it, and what a line tells of it."""

    whole: bytes
    keep: bool
    trace: Trace
    status: int
    code: str
    body_bytes: int


def _find_and_answer(heads: list[_Known], first: bytes, connection: Outgoing) -> _Answer | None:
    for known in heads:
        # the ring is looked at after the wait for these bytes: a key may have been taken away meanwhile
        if (found := known.find(first)) is None or known.ring.retired:
            continue
        head_bytes, body_bytes = found
        early = memoryview(first)[head_bytes:]
        if len(early) > body_bytes:
            return None
        return _answer(known, _Frame(PlainBody(connection, first[:head_bytes], early, body_bytes), connection))
    return None


class _Frame:
    """The body of a request whose head is known."""

    def __init__(self, body: PlainBody, connection: Outgoing) -> None:
        self.body = body
        self.client_fd = connection.fileno()
        self._connection = connection

    def prepare(self, *, scarce: bool) -> None:
        """See body.Bring."""
        self._connection.waits = True
        if scarce:
            self.body.await_flow()

    def into(self, area: memoryview) -> Received:
        """See body.Bring."""
        return Received(self.body.length, rest=self.body.begin(area))


def _answer(known: _Known, frame: _Frame) -> _Answer | None:
    """Have a frame inspected; None where the ordinary way must be taken."""
    trace, code = Trace(known.method, known.path), ""
    try:
        context = known.again(frame, frame.body.length, trace)
    except Exception as error:  # noqa: BLE001 - whatever it was, this frame's client gets an answer
        status, headers, body = answer_to(error, trace.request_id)
        code = getattr(error, "code", InternalError.code)
    else:
        if context is None:
            return None
        status, headers, body = "200 OK", [("Content-Type", "application/json")], context
    headers = [*headers, ("Content-Length", str(len(body))), *trace.headers]
    head = response_head("1.1", status, headers, keep=frame.body.arrived)
    return _Answer(head + body, frame.body.arrived, trace, int(status[:3]), code, len(body))
