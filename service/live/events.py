"""`GET /api/v1/events`: what became of frames, as server-sent events for machines.

Each record is an event, `frame` or `refusals`, with JSON as `framemill results --json` has it. Its id says how far each
ring was read: who comes again with it, as `Last-Event-ID`, goes on behind it. What is not there any more is said, by an
event `missed`; and by `restarted` where the id is of another server, whose rings are gone.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import orjson

from service.intake.params import flag
from service.live.stream import answer_with_stream, event
from service.own_errors import NotFound
from service.results.reading import RingReader
from service.results.record import BadRecord, Record

if TYPE_CHECKING:
    import falcon

    from service.live.stream import Streams

_ID = re.compile(r"([0-9a-f]{1,16})((?:-[0-9]{1,19}){1,32})")
_TURN_S = 0.1
_AT_ONCE = 100
_MOST_BYTES = 1 << 18


class Events:
    """`started_ns` tells this server's rings from those of another."""

    def __init__(self, rings: Sequence[int], streams: Streams, started_ns: int) -> None:
        self._rings = tuple(rings)
        self._streams = streams
        self._server = f"{started_ns:x}"

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Stream from where the client was, else from now on; `context` has each frame's context in it, too."""
        if not self._rings:
            raise NotFound("this server keeps no results to follow: its setting results_mib is 0")
        with_context = _wants_context(req)
        last = req.get_header("Last-Event-ID") or ""
        answer_with_stream(req, resp, self._streams, lambda: self._events(last, with_context=with_context))

    def _events(self, last: str, *, with_context: bool) -> Iterator[bytes]:
        readers = [RingReader(ring) for ring in self._rings]
        if said := self._resume(readers, last):
            yield said
        while True:
            pieces = [piece for reader in readers if (piece := self._next_of(reader, readers, with_context))]
            if missed := sum(reader.missed for reader in readers):
                for reader in readers:
                    reader.missed = 0
                pieces.append(event("missed", orjson.dumps({"missed": missed}), self._id(readers)))
            if not pieces:
                time.sleep(_TURN_S)
            yield b"".join(pieces)

    def _resume(self, readers: Sequence[RingReader], last: str) -> bytes:
        if not last:
            return event("begun", orjson.dumps({"server": self._server}), self._id(readers))
        known = _ID.fullmatch(last)
        cursors = [int(cursor) for cursor in known[2][1:].split("-")] if known else []
        if known is None or known[1] != self._server or len(cursors) != len(readers):
            for reader in readers:
                reader.begin_with_oldest()
            return event("restarted", orjson.dumps({"server": self._server}), self._id(readers))
        for reader, cursor in zip(readers, cursors, strict=True):
            reader.cursor = cursor
        return b""

    def _next_of(self, reader: RingReader, readers: Sequence[RingReader], with_context: bool) -> bytes:
        """Return what is new in one ring, some of it."""
        pieces: list[bytes] = []
        while len(pieces) < _AT_ONCE and sum(map(len, pieces)) < _MOST_BYTES:
            if (raw := reader.next()) is None:
                break
            try:
                record = Record.unpack(raw.packed, reader.front, raw.sequence)
            except BadRecord:
                reader.missed += 1
                continue
            document = record.document(with_context=with_context)
            pieces.append(event(document["kind"], orjson.dumps(document), self._id(readers)))
        return b"".join(pieces)

    def _id(self, readers: Sequence[RingReader]) -> str:
        return f"{self._server}-{'-'.join(str(reader.cursor) for reader in readers)}"


def _wants_context(req: falcon.Request) -> bool:
    said = req.get_param("context")
    return said is not None and flag({"context": said}, "context")
