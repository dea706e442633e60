"""The bytes of a request's head: whether they are all there, and what they were.

What a camera repeats is recognised by them (repeat.py), and a request whose body is set aside begins anew with them.
"""

from __future__ import annotations

import io
from typing import Any

from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser

HEAD_END = b"\r\n\r\n"


def head_is_whole(buffered: io.BytesIO) -> bool:
    """Whether what was received of a request has the whole head; leaves the buffer's position at its end."""
    buffered.seek(0, io.SEEK_END)
    return HEAD_END in buffered.getvalue()


class NotedHead(Request):  # type: ignore[misc]  # gunicorn publishes no types
    """A request whose connection keeps the bytes of its head."""

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


def last_head(unreader: Any) -> bytes | None:
    """Return the head that was parsed last; None where it came in pieces."""
    head: bytes | None = getattr(unreader, "last_head", None)
    return head


# gunicorn makes whatever stands under this name
RequestParser.mesg_class = NotedHead
