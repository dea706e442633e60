"""The bytes of a request's head: whether they are all there, and what they were.

What a camera repeats is recognised by them (repeat.py), and a request whose body is set aside begins anew with them.
"""

from __future__ import annotations

import io
from typing import Any

from gunicorn.http.body import Body
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser

from workers.errors import HeadInvalid

HEAD_END = b"\r\n\r\n"


def head_is_whole(buffered: io.BytesIO) -> bool:
    """Whether what was received of a request has the whole head; leaves the buffer's position at its end.

    It looks at all of it, so it is for what came in one piece; what comes in many is for a `HeadSearch`.
    """
    buffered.seek(0, io.SEEK_END)
    return HEAD_END in buffered.getvalue()


class HeadSearch:
    """Looks for the end of a head while it comes, at each byte once, and keeps the last three alone."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b""

    def ends_in(self, piece: bytes) -> bool:
        """Whether the head ends in this piece, which follows those before.

        Raises:
            HeadInvalid: a line ends in a bare LF. The parser would wait for an end that this client never sends.
        """
        window = self._tail + piece
        if HEAD_END in window:
            return True
        newlines = piece.count(b"\n")
        if newlines and newlines != (self._tail[-1:] + piece).count(b"\r\n"):
            raise HeadInvalid("a line of the request's head ends in a bare LF; expected CR LF")
        self._tail = window[-3:]
        return False


class NotedHead(Request):  # type: ignore[misc]  # gunicorn publishes no types
    """A request whose connection keeps the bytes of its head.

    Where its body was gathered before (gathered.py) that is the body, whatever the head says of its length.
    """

    def parse(self, unreader: Any) -> bytes:
        """Let gunicorn parse; returns what was received behind the head."""
        first: bytes = unreader.read()
        unreader.unread(first)
        unreader.last_head = None
        rest: bytes = super().parse(unreader)
        end = first.find(HEAD_END) + len(HEAD_END)
        if end >= len(HEAD_END):
            unreader.last_head = first[:end]
        return rest

    def set_body_reader(self) -> None:
        """See gunicorn."""
        super().set_body_reader()
        gathered = self.unreader.__dict__.pop("gathered", None)
        if gathered is not None:
            self.body = Body(gathered)
            self._expected_100_continue = False  # it was answered when the request came first


def last_head(unreader: Any) -> bytes | None:
    """Return the head that was parsed last; None where it came in pieces."""
    head: bytes | None = getattr(unreader, "last_head", None)
    return head


# gunicorn makes whatever stands under this name
RequestParser.mesg_class = NotedHead
