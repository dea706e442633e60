"""What a front and the recorder say to each other, in packets of a socket pair that each front's number has.

::

    front                                       recorder
      |--- a record, as record.py draws it ------->|   its frame's answer waits
      |--- another ------------------------------->|   all that wait are committed together
      |<-- entries: came u64 | slot u16 | said u8 -|   RECORDED, AWAY or FAULT, of each
      |                  ...
      |<-- an entry: 0 | 0 | HELLO ----------------|   it has just been started: what still waits is said once more

A record is known by when its frame came and its slot, so one that is said twice is there once. The supervisor has both
ends of each pair, too: what is on its way outlives a front and a recorder.
"""

from __future__ import annotations

import enum
import socket
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from service.results.record import FIXED, MAGIC

ENTRY = struct.Struct("<QHB")
MOST_ENTRIES = 1024  # of a packet
ANSWER_BYTES = ENTRY.size * MOST_ENTRIES
MOST_ASK_BYTES = 1 << 20
_ROOM_BYTES = 1 << 20  # of a pair, each way; the kernel gives what it allows, 208 kB on most machines


class Said(enum.IntEnum):
    """What became of a record."""

    RECORDED = 0
    AWAY = 1  # the database cannot be written to
    FAULT = 2  # this record cannot be
    HELLO = 3


class Key(NamedTuple):
    """What a record is known by."""

    came_ns: int
    slot: int


class Pairs(NamedTuple):
    """The socket pairs of a server, by the numbers of fronts."""

    fronts: tuple[socket.socket, ...]
    recorder: tuple[socket.socket, ...]


def make_pairs(fronts: int) -> Pairs:
    """Make them; raises OSError."""
    made = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(fronts)]
    for end in (end for pair in made for end in pair):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ROOM_BYTES)
    return Pairs(tuple(ours for ours, _ in made), tuple(theirs for _, theirs in made))


def key_of(packed: bytes) -> Key:
    """Return what a packed record is known by; raises ValueError where it is none."""
    if len(packed) < FIXED.size or not packed.startswith(MAGIC):
        raise ValueError("this is no record")
    _, _, _, _, came_ns, slot, *_ = FIXED.unpack_from(packed)
    return Key(came_ns, slot)


def packets(answers: Iterable[tuple[Key, Said]]) -> Iterator[bytes]:
    """Yield the packets that say what became of records."""
    entries = [ENTRY.pack(*key, said) for key, said in answers]
    for begin in range(0, len(entries), MOST_ENTRIES):
        yield b"".join(entries[begin : begin + MOST_ENTRIES])


def said_in(packet: bytes) -> Iterator[tuple[Key, Said]]:
    """Yield what a packet says."""
    for came_ns, slot, said in ENTRY.iter_unpack(packet[: len(packet) // ENTRY.size * ENTRY.size]):
        yield Key(came_ns, slot), Said(said)
