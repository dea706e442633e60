"""The bytes of a request's head, noted as they come in: what a camera repeats is recognised by them (repeat.py)."""

from __future__ import annotations

from typing import Any

from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser

_LONGEST_BYTES = 4096  # longer ones are rare, and would be kept for as long as their connection lives


class NotedHead(Request):  # type: ignore[misc]  # gunicorn publishes no types
    """A request whose connection keeps the bytes of its head."""

    def parse(self, unreader: Any) -> bytes:
        """Let gunicorn parse; returns what was received behind the head."""
        first: bytes = unreader.read()
        unreader.unread(first)
        unreader.last_head = None
        rest: bytes = super().parse(unreader)
        end = first.find(b"\r\n\r\n") + 4
        if 4 <= end <= _LONGEST_BYTES:
            unreader.last_head = first[:end]
        return rest


def last_head(unreader: Any) -> bytes | None:
    """Return the head that was parsed last; None where it came in pieces or is long."""
    head: bytes | None = getattr(unreader, "last_head", None)
    return head


# gunicorn makes whatever stands under this name
RequestParser.mesg_class = NotedHead
