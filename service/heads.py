"""A camera says the same with each frame: the head of a request, byte for byte, is that of the one before.

Parsing is a pure function of these bytes, of settings that do not change and of the peer, so its outcome is kept with
the connection and used again for as long as the bytes are the same. Every head has passed gunicorn's own parser once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser

_LONGEST_BYTES = 4096  # longer ones are rare, and would be kept for as long as their connection lives
# everything that parsing a head sets
_PARSED = (
    "method",
    "uri",
    "path",
    "query",
    "fragment",
    "version",
    "headers",
    "scheme",
    "_expected_100_continue",
)


class _KnownHead(NamedTuple):
    head: bytes
    parsed: dict[str, Any]


class RepeatedHead(Request):  # type: ignore[misc]  # gunicorn publishes no types
    """A request that recognises its head."""

    def parse(self, unreader: Any) -> bytes:
        """Set what the head says; returns what was received behind it."""
        first: bytes = unreader.read()
        known: _KnownHead | None = getattr(unreader, "known_head", None)
        if known is not None and first.startswith(known.head):
            self.__dict__.update(known.parsed)
            return first[len(known.head) :]
        unreader.unread(first)
        rest: bytes = super().parse(unreader)
        end = first.find(b"\r\n\r\n") + 4
        if 4 <= end <= _LONGEST_BYTES:
            unreader.known_head = _KnownHead(first[:end], {name: self.__dict__[name] for name in _PARSED})
        return rest


# gunicorn makes whatever stands under this name
RequestParser.mesg_class = RepeatedHead
