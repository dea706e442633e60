"""The slots as a worker sees them: request areas for reading, reply areas for writing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.memory.slot import Word

if TYPE_CHECKING:
    from workers.memory.arena import ArenaFile
    from workers.memory.slot import Header


class SlotMemory:
    """All slots as a worker sees them: request areas for reading, reply areas for writing.

    `low` maps the frame memory up to the request areas, `high` maps those, read-only.
    """

    def __init__(self, headers: list[Header], low: memoryview, high: memoryview, arena: ArenaFile) -> None:
        self.headers = headers
        geometry = arena.geometry
        self._request_bytes = geometry.request_bytes
        self._requests = [
            high[at : at + geometry.request_bytes].toreadonly()
            for at in (geometry.request_at(header.index) - geometry.requests_at for header in headers)
        ]
        self._replies = [
            low[at : at + geometry.reply_bytes] for at in (geometry.reply_at(header.index) for header in headers)
        ]

    def request(self, header: Header) -> memoryview:
        """The frame in a slot; raises ValueError on an impossible length."""
        length = header.words[Word.REQUEST_BYTES]
        if length > self._request_bytes:
            msg = f"slot {header.index}: a frame of {length} bytes in {self._request_bytes}"
            raise ValueError(msg)
        return self._requests[header.index][:length]

    def reply(self, header: Header) -> memoryview:
        """The reply area of a slot."""
        return self._replies[header.index]
