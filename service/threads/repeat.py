"""A camera says the same with each frame, so all but the first are answered without being understood anew.

What a request asks for is a pure function of its head, of settings that do not change, of the keys of now and of its
peer. So once a request was answered with a context, its connection remembers the head, byte for byte, with what it
asked for. The next request with these very bytes goes from the socket to the pool and back: no parser, no WSGI, no
routing. The body's length alone may be another one, for files differ from frame to frame, and what the request is
called; and a connection remembers a few heads, for a camera may go round a few segments. Whatever is not plain (another
head, a length that would be refused, no worker ready, a server that stops) goes the ordinary way, and what was read is
given back. So may the part be another one, where its name stands in the query in letters that need no decoding.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from service.access.key_check import RING
from service.access.keyring import Keyring
from service.errors import answer_to
from service.intake.body import Received
from service.logs.request_log import LOG
from service.logs.trace import REQUEST_ID, TRACE, Said, Trace, said_by
from service.wire.plain_body import PlainBody, plain_body, response_head
from service.wire.request_head import last_head
from service.wire.unsent import Outgoing
from workers.errors import InternalError

_log = logging.getLogger(__name__)

_LONGEST_HEAD_BYTES = 4096  # longer ones are rare, and would be kept for as long as their connection lives
_MOST_HEADS = 8
# fields that are other ones with each request, and what they may say to be known all the same
_LENGTH = b"content-length"
_PART = b"part"
_VALUES = {
    _LENGTH: re.compile(rb"[0-9]{1,10}"),
    _PART: re.compile(rb"[A-Za-z0-9._~-]{1,200}"),  # as it stands in the query: nothing to be decoded
    b"x-request-id": re.compile(REQUEST_ID.encode()),
    b"traceparent": re.compile(rb"[0-9a-f-]{55}"),
}
_FIELDS = re.compile(rb"\r\n(content-length|x-request-id|traceparent):[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)", re.IGNORECASE)
_PART_IN_QUERY = re.compile(rb"[A-Z]+ [^ ?\r\n]*\?(?:[^ \r\n]*&)?part=([^& \r\n]*)")
_ENVIRON = {b"x-request-id": "HTTP_X_REQUEST_ID", b"traceparent": "HTTP_TRACEPARENT"}

# has a frame inspected, `Bring`, whose body has so many bytes, for the request of that `Trace`, which shows the part of
# that name if one is given; returns its context, or None where the ordinary way must be taken and nothing was read
Again = Callable[..., bytes | None]


_NO_KEYS = Keyring(())


class _Known(NamedTuple):
    """A head: its `pieces`, and between each two of them the value of a field of these `names`, which may be any."""

    pieces: tuple[bytes, ...]
    names: tuple[bytes, ...]
    again: Again
    ring: Keyring = _NO_KEYS
    method: str = ""
    path: str = ""

    def find(self, first: bytes) -> _Found | None:
        """Return what `first` begins with, if it is this head; None where it is another one."""
        at, values = 0, {}
        for piece, name in zip(self.pieces, self.names, strict=False):
            value = _VALUES[name].match(first, at + len(piece)) if first.startswith(piece, at) else None
            if value is None:
                return None
            values[name] = value[0]
            at = value.end()
        if not first.startswith(self.pieces[-1], at):
            return None
        part = (values.pop(_PART).decode("ascii"),) if _PART in values else ()
        return _Found(at + len(self.pieces[-1]), int(values.pop(_LENGTH, b"0")), values, part)


class _Found(NamedTuple):
    """How many bytes a head has, and its body, what the head says of the request's ids, and the part if it says one."""

    head_bytes: int
    body_bytes: int
    values: dict[bytes, bytes]
    part: tuple[str, ...]

    @property
    def said(self) -> Said | None:
        """The ids as they are read from an environ; None where there are none."""
        if not self.values:
            return None
        return said_by({_ENVIRON[name]: value.decode("ascii") for name, value in self.values.items()})


def remember(env: dict[str, Any], again: Again) -> None:
    """Let the connection of a request answer the same request again by `again`, where its bytes are within reach."""
    body = plain_body(env)
    if body is None or "HTTP_EXPECT" in env or env["SERVER_PROTOCOL"] != "HTTP/1.1":
        return
    unreader = env["wsgi.input"].reader.unreader
    head = last_head(unreader)
    parts = _parts(head) if head is not None and len(head) <= _LONGEST_HEAD_BYTES else None
    if parts is None:
        return
    others = [known for known in getattr(unreader, "repeat", ()) if known[:2] != parts]
    trace: Trace = env.get(TRACE) or Trace()
    known = _Known(*parts, again, env.get(RING, _NO_KEYS), trace.method, trace.path)
    unreader.repeat = [*others[1 - _MOST_HEADS :], known]


def _parts(head: bytes) -> tuple[tuple[bytes, ...], tuple[bytes, ...]] | None:
    """Return the pieces and names of a head; None where a field stands twice, or says what none of its kind does."""
    pieces, names, at = [], [], 0
    named = _PART_IN_QUERY.match(head)
    if named is not None and _VALUES[_PART].fullmatch(named[1]):
        pieces.append(head[: named.start(1)])
        names.append(_PART)
        at = named.end(1)
    for field in _FIELDS.finditer(head):
        name = field[1].lower()
        if name in names or not _VALUES[name].fullmatch(field[2]):
            return None
        pieces.append(head[at : field.start(2)])
        names.append(name)
        at = field.end(2)
    return (*pieces, head[at:]), tuple(names)


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
        early = memoryview(first)[found.head_bytes :]
        if len(early) > found.body_bytes:
            return None
        body = PlainBody(connection, first[: found.head_bytes], early, found.body_bytes)
        return _answer(known, _Frame(body, connection), Trace(known.method, known.path, found.said), found.part)
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


def _answer(known: _Known, frame: _Frame, trace: Trace, part: tuple[str, ...]) -> _Answer | None:
    """Have a frame inspected; None where the ordinary way must be taken."""
    code = ""
    try:
        context = known.again(frame, frame.body.length, trace, *part)
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
