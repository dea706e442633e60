"""What fronts say to the part desk, and what it answers. Pure: this file does no I/O.

Little endian, one message each (SOCK_SEQPACKET)::

     0      4     6      7      8         16         24         32           40     41     42     44
    +------+-----+------+------+---------+----------+----------+------------+------+------+------+------------+
    |"FMPT"| u16 | kind | word | request | came u64 | flow u64 | by u64     | slot | view | part | view, part |
    +------+-----+------+------+---------+----------+----------+------------+------+------+------+------------+

    version: 1.  kind: 0 a frame has its answer, 1 somebody asks for a part, and brings a socket for what is told.
    word: what became of the frame, see WORDS.  request: what the answer begins with.  came, slot: the frame.  flow: the
    version of the project.  by: CLOCK_MONOTONIC; who comes later to a frame takes it for an error, for that is what its
    client is told; who asks waits as long.  view, part: the lengths of the texts in bytes.

An answer to a frame is its request, 8 bytes, and behind it what became of the part, JSON, if it ended by that. Who asks
is told JSON alone, null where nobody knows the part.
"""

from __future__ import annotations

import enum
import struct
from typing import NamedTuple

from service.parts.joining import ERROR, NOK, OFF, OK

_FIXED = struct.Struct("<4sHBBQQQQBBH")
_MAGIC = b"FMPT"
_VERSION = 1
REQUEST = struct.Struct("<Q")
MOST_BYTES = 1024
MOST_ANSWER_BYTES = 16 << 10
NOBODY_KNOWS = b"null"
WORDS = (OFF, OK, NOK, ERROR)


class Kind(enum.IntEnum):
    """What is said."""

    FRAME = 0
    ASK = 1


class Said(NamedTuple):
    """A message, as it is drawn above."""

    kind: Kind
    part: str
    by_ns: int
    request: int = 0
    word: str = ERROR
    view: str = ""
    came_ns: int = 0
    slot: int = 0
    flow: int = 0

    def pack(self) -> bytes:
        """Return its bytes."""
        view, part = self.view.encode("utf-8", "replace")[:255], self.part.encode("utf-8", "replace")
        place = WORDS.index(self.word)
        numbers = (self.request, self.came_ns, self.flow, self.by_ns, self.slot & 0xFF, len(view), len(part))
        return _FIXED.pack(_MAGIC, _VERSION, self.kind, place, *numbers) + view + part

    @classmethod
    def unpack(cls, packed: bytes) -> Said:
        """Read one; raises ValueError where it is none."""
        try:
            magic, version, kind, word, request, came_ns, flow, by_ns, slot, view, part = _FIXED.unpack_from(packed)
        except struct.error:
            raise ValueError(f"a message of {len(packed)} bytes") from None
        texts = packed[_FIXED.size :]
        if (magic, version) != (_MAGIC, _VERSION) or len(texts) != view + part or word >= len(WORDS):
            raise ValueError("what was said is of another version of the server")
        view_name, part_name = texts[:view].decode("utf-8", "replace"), texts[view:].decode("utf-8", "replace")
        return cls(Kind(kind), part_name, by_ns, request, WORDS[word], view_name, came_ns, slot, flow)
