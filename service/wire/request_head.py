"""The bytes of a request's head: whether they are all there, what they were, and what gunicorn lets pass in them.

What a camera repeats is recognised by them (repeat.py), and a request whose body is set aside begins anew with them.
A head that was refused here is never remembered, and what is remembered is the same byte for byte.
"""

from __future__ import annotations

import io
import re
from typing import Any

from gunicorn.http.body import Body
from gunicorn.http.errors import ParseException, UnsupportedTransferCoding
from gunicorn.http.message import Request

from service.head_end import HEAD_END
from workers.errors import HeadInvalid

# RFC 3986: a name or an IPv4 address, or an address in brackets, and a port; all of it may be empty (RFC 9110, 7.2).
# A comma, which names may have, is left out: it is how proxies join two Hosts
_HOST = re.compile(r"([\w.~!$&'()*+;=%-]*|\[[0-9A-Fa-f:.]+(%[\w.~%-]+)?\])(:[0-9]*)?", re.ASCII)


class HostInvalid(ParseException):  # type: ignore[misc]  # gunicorn publishes no types
    """A request of HTTP/1.1 has no Host, or one that names no host."""


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
        """Refuse what gunicorn would let pass, then let it decide how the body is framed."""
        self._check_host()
        self._check_codings()
        super().set_body_reader()
        gathered = self.unreader.__dict__.pop("gathered", None)
        if gathered is not None:
            self.body = Body(gathered)
            self._expected_100_continue = False  # it was answered when the request came first

    def _check_host(self) -> None:
        """Whoever routes by it must see the same name as we do (RFC 9112, 3.2); two are refused before."""
        host = next((value for name, value in self.headers if name == "HOST"), None)
        if host is None and self.version >= (1, 1):
            raise HostInvalid("none")
        if host is not None and not _HOST.fullmatch(host):
            raise HostInvalid("malformed")

    def _check_codings(self) -> None:
        """A body that is coded in any other way than chunked would be taken for pixels: it is never decoded here."""
        codings = {
            coding.strip(" \t").lower()
            for name, value in self.headers
            if name == "TRANSFER-ENCODING"
            for coding in value.split(",")
        }
        if codings - {"chunked"}:
            raise UnsupportedTransferCoding("another than chunked")


def last_head(unreader: Any) -> bytes | None:
    """Return the head that was parsed last; None where it came in pieces."""
    head: bytes | None = getattr(unreader, "last_head", None)
    return head
