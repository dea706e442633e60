"""What became of a frame, as bytes and as an object. Pure: this file does no I/O.

Little endian::

      0        4     6      7       8          16     18       20        21     24        32
     +--------+-----+------+-------+----------+------+--------+---------+------+---------+----------------+
     | "FMRS" | u16 | kind | flags | came u64 | slot | status | verdict |wanted| flow u64| frame bytes u64|
     +--------+-----+------+-------+----------+------+--------+---------+------+---------+----------------+
      40                             96               100     104                112
     +------------------------------+----------------+-------+------------------+
     | seven times u64, see Times   | picture u32    |       | its frame u64    |
     +------------------------------+----------------+-------+------------------+
      112          116         120            124            128
     +------------+-----------+--------------+--------------+--------------------------+
     | about u32  | told u32  | context u32  | left out u32 | about, told, context     |
     +------------+-----------+--------------+--------------+--------------------------+

    version: 1.  kind: 0 a frame, 1 refusals, 2 a part.  verdict: 0 none, 1 OK, 2 NOK.  flow: the project's version.
    came: when the request came, CLOCK_REALTIME in ns; with the slot it is the frame's id, the same that code finds as
    context["frame"]["id"].  picture: 0, or 1 + the slot that the frame stays in for followers, and which of the frames
    that sat there it is.  wanted: followers that want it, each a bit, whether it could stay or not.
    left out: bytes of a context that is not here because it is large, 0 where it is here.

`about` is JSON: `client`, `camera`, `part`, `view`, `data`, `requestId`, `inputRevision` (what operators had set) and
`held` (the alert that held the line, so that the answer was NOK whatever the flow said), as far as there are any.
`told` is JSON: `code` and `message` of an error; of a context that was left out `score`, `labels` and `measures`; of
refusals who was refused how often; of a part `why` it is an error, and `views`: name, verdict, frame. The context is
what the client had, byte for byte, but for what it was told of a part.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import orjson

from service.results.documents import ESSENCE, essence_of, id_text, part_document, time_text, views_in

MAGIC = b"FMRS"
VERSION = 1
FIXED = struct.Struct("<4sHBBQHHB3sQQ7QI4xQIIII")
MOST_CONTEXT_BYTES = 64 << 10
MOST_TOLD_BYTES = 64 << 10
_VERDICTS = {1: True, 2: False}
_VERDICT_BYTES = {True: 1, False: 2, None: 0}


class Kind(enum.IntEnum):
    """What a record is of."""

    FRAME = 0
    REFUSALS = 1  # frames that were not begun, counted by client and status over a second
    PART = 2  # what several frames make together


_KINDS = frozenset(map(int, Kind))


class Times(NamedTuple):
    """Where a frame's time went, in nanoseconds; `took_ns` is from its request to its answer."""

    waiting_ns: int = 0
    receiving_ns: int = 0
    queue_ns: int = 0
    decoding_ns: int = 0
    flow_ns: int = 0
    encoding_ns: int = 0
    took_ns: int = 0


class Picture(NamedTuple):
    """Where a frame still lies: its slot, and which of the frames that sat there it is."""

    slot: int
    generation: int


class Head(NamedTuple):
    """All of a record that has a fixed length; as it is drawn above."""

    came_ns: int
    slot: int
    status: int
    verdict: bool | None = None
    flow: int = 0
    frame_bytes: int = 0
    times: Times = Times()
    picture: Picture | None = None
    left_out_bytes: int = 0
    kind: Kind = Kind.FRAME
    wanted: int = 0

    def pack(self, about: bytes, told: bytes, context: bytes | memoryview) -> bytes:
        """Return the bytes of the record."""
        slot, generation = (self.picture.slot + 1, self.picture.generation) if self.picture else (0, 0)
        fixed = FIXED.pack(
            MAGIC,
            VERSION,
            self.kind,
            0,
            self.came_ns,
            self.slot,
            self.status,
            _VERDICT_BYTES[self.verdict],
            self.wanted.to_bytes(3, "little"),
            self.flow,
            self.frame_bytes,
            *self.times,
            slot,
            generation,
            len(about),
            len(told),
            len(context),
            self.left_out_bytes,
        )
        return b"".join((fixed, about, told, context))


class BadRecord(ValueError):
    """What was read is no record of ours."""


class OtherKind(BadRecord):
    """It is one of a kind that a later version of the server writes: who does not know it passes it over."""


@dataclass(frozen=True)
class Record:
    """What became of a frame, as a follower has it; `front` and `sequence` are where it was read.

    `about` and `told` are as they stand in it, `context` is JSON as the client had it, empty where there is none.
    """

    head: Head
    about: Mapping[str, Any]
    told: Mapping[str, Any]
    context: bytes
    front: int = 0
    sequence: int = 0

    @classmethod
    def unpack(cls, packed: bytes, front: int = 0, sequence: int = 0) -> Record:
        """Read a record; raises BadRecord."""
        if len(packed) < FIXED.size:
            raise BadRecord(f"a record has at least {FIXED.size} bytes, got {len(packed)}")
        magic, version, kind, _, came_ns, slot, status, verdict, *rest = FIXED.unpack_from(packed)
        wanted, flow, frame_bytes, *times, picture, generation, about_bytes, told_bytes, context_bytes, left_out = rest
        if (magic, version) == (MAGIC, VERSION) and kind not in _KINDS:
            raise OtherKind(f"a record of kind {kind}")
        if (magic, version) != (MAGIC, VERSION):
            raise BadRecord(f"a record begins with {MAGIC!r} and version {VERSION}, got {magic!r} and {version}")
        if FIXED.size + about_bytes + told_bytes + context_bytes != len(packed):
            raise BadRecord(f"a record of {len(packed)} bytes says that it has others")
        told_at = FIXED.size + about_bytes
        context_at = told_at + told_bytes
        head = Head(
            came_ns,
            slot,
            status,
            _VERDICTS.get(verdict),
            flow,
            frame_bytes,
            Times(*times),
            Picture(picture - 1, generation) if picture else None,
            left_out,
            Kind(kind),
            int.from_bytes(wanted, "little"),
        )
        about, told = _object(packed[FIXED.size : told_at]), _object(packed[told_at:context_at])
        return cls(head, about, told, packed[context_at:], front, sequence)

    @property
    def id(self) -> str:
        """The frame's: no other of this machine has it, and later ones sort behind it."""
        return id_text(self.head.came_ns, self.head.slot)

    @property
    def time(self) -> str:
        """When its request came, UTC, to the nanosecond."""
        return time_text(self.head.came_ns)

    @property
    def word(self) -> str:
        """OK, NOK, OFF where the Process switch is off, ERROR, or REFUSED."""
        if self.head.kind is Kind.REFUSALS:
            return "REFUSED"
        if self.head.status != 200:
            return "ERROR"
        return {True: "OK", False: "NOK", None: "OFF"}[self.head.verdict]

    @property
    def held(self) -> str | None:
        """The alert that held the line: then NOK is not what the machine said. A flow has no say in this."""
        held = self.about.get("held")
        return held if isinstance(held, str) else None

    @cached_property
    def known(self) -> Mapping[str, Any] | None:
        """Its context as an object; None where there is none, or it is none."""
        try:
            return _object(self.context) if self.context else None
        except BadRecord:
            return None

    @cached_property
    def essence(self) -> Mapping[str, Any]:
        """`score`, `labels` and `measures` of its context, as far as there are any."""
        if self.known is not None:
            return essence_of(self.known)
        return {key: self.told[key] for key in ESSENCE if key in self.told}

    def document(self, *, with_context: bool = True) -> dict[str, Any]:
        """Return it as JSON has it; the context as an object."""
        head = self.head
        if head.kind is Kind.REFUSALS:
            return {"kind": "refusals", "time": self.time, "refused": self.told.get("refused", [])}
        known: dict[str, Any] = {"id": self.id, "time": self.time, "part": self.about.get("part")}
        if head.kind is Kind.PART:
            end_ns, why = head.came_ns + head.times.took_ns, self.told.get("why")
            known |= {"flowVersion": f"{head.flow:016x}", "verdict": self.word}
            return part_document(known, head.came_ns, end_ns, why, views_in(self.told))
        found: dict[str, Any] = {
            "kind": "frame",
            **known,
            "client": self.about.get("client", ""),
            "camera": self.about.get("camera", ""),
            "view": self.about.get("view"),
            "data": self.about.get("data", ""),
            "requestId": self.about.get("requestId"),
            "flowVersion": f"{head.flow:016x}",
            "inputRevision": self.about.get("inputRevision"),
            "status": head.status,
            "verdict": self.word,
            "held": self.held,
            "score": None,
            "labels": [],
            "measures": {},
            **self.essence,
            "frameBytes": head.frame_bytes,
            "timings": {name.removesuffix("_ns") + "_ms": ns / 1e6 for name, ns in head.times._asdict().items()},
        }
        if head.wanted:
            found["picture"] = {"stays": head.picture is not None}
        if "code" in self.told:
            found["error"] = {"code": self.told["code"], "message": self.told.get("message", "")}
        if head.left_out_bytes:
            found["contextLeftOutBytes"] = head.left_out_bytes
        if with_context and self.known is not None:
            found["context"] = self.known
        return found


def about_bytes(client: str, camera: str, part: str, data: str, view: str = "") -> bytes:
    """Return who sent a frame, of which part, and what was said with it."""
    told = {"client": client, "camera": camera, "part": part, "view": view, "data": data}
    return orjson.dumps({key: _in_utf8(value) for key, value in told.items() if value})


def with_request(about: bytes, request_id: str, input_revision: int | None = None, held: str = "") -> bytes:
    """Add the id of one request, which is plain ASCII, to what a camera says with each; `about` has an entry.

    `input_revision` is what operators had set, None where the project has no inputs; `held` is the alert that held the
    line.
    """
    if held:
        about = b'%b,"held":%b}' % (about[:-1], orjson.dumps(held))
    if input_revision is not None:
        return b'%b,"requestId":"%b","inputRevision":%d}' % (about[:-1], request_id.encode(), input_revision)
    return b'%b,"requestId":"%b"}' % (about[:-1], request_id.encode())


def error_bytes(code: str, message: str) -> bytes:
    """Return what an error says; of a very long one the end is left out."""
    return orjson.dumps({"code": code, "message": _in_utf8(message)[:4000]})


def _in_utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _object(packed: bytes) -> dict[str, Any]:
    if not packed:
        return {}
    try:
        found = orjson.loads(packed)
    except orjson.JSONDecodeError as error:
        raise BadRecord(f"a part of a record is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise BadRecord("a part of a record is no object of JSON")
    return found
