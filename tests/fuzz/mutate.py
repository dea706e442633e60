"""How a mutant is made: a seed file and one to four changes, some blind, some that know chunks and segments.

Changes that know a PNG put its checksums right again, since a gate that checks them would see nothing else.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Sequence

from tests.image_files.encoded import PNG_SIGNATURE, chunk

Random = random.Random
_WORDS = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_MAX_CHANGES = 4
_MAX_BYTES = 1 << 20


def mutant(seeds: Sequence[bytes], seed: int, number: int) -> bytes:
    """Return mutant `number` of the campaign `seed`."""
    chance = Random(f"{seed}:{number}")  # the same everywhere: text seeds do not depend on PYTHONHASHSEED
    file = chance.choice(seeds)
    for _ in range(chance.randint(1, _MAX_CHANGES)):
        if file:
            file = chance.choice(_CHANGES)(file, chance, seeds)[:_MAX_BYTES]  # four of them could make gigabytes
    return file


def _flip(file: bytes, chance: Random, seeds: Sequence[bytes]) -> bytes:
    del seeds
    changed = bytearray(file)
    for _ in range(chance.choice((1, 1, 2, 8))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _word(file: bytes, chance: Random, _: Sequence[bytes]) -> bytes:
    """Put a number that programs stumble over somewhere."""
    size = chance.choice((1, 2, 4))
    at = chance.randrange(len(file))
    packed = (chance.choice(_WORDS) & ((1 << 8 * size) - 1)).to_bytes(size, chance.choice(("big", "little")))
    return file[:at] + packed + file[at + size :]


def _cut(file: bytes, chance: Random, _: Sequence[bytes]) -> bytes:
    start = chance.randrange(len(file))
    return file[:start] + file[start + chance.choice((1, 2, 16, len(file))) :]


def _repeat(file: bytes, chance: Random, _: Sequence[bytes]) -> bytes:
    start = chance.randrange(len(file))
    part = file[start : start + chance.choice((1, 4, 30, 500))]
    return file[:start] + part * chance.choice((2, 3, 50)) + file[start + len(part) :]


def _splice(file: bytes, chance: Random, seeds: Sequence[bytes]) -> bytes:
    other = chance.choice(seeds)
    return file[: chance.randrange(len(file))] + other[chance.randrange(len(other)) :]


def _noise(file: bytes, chance: Random, _: Sequence[bytes]) -> bytes:
    at = chance.randrange(len(file))
    return file[:at] + chance.randbytes(chance.choice((1, 3, 40))) + file[at:]


def _chunks(file: bytes) -> list[tuple[bytes, bytes]]:
    """Return kind and payload of what can be read as chunks."""
    found = []
    at = len(PNG_SIGNATURE)
    while at + 8 <= len(file):
        length, kind = struct.unpack_from(">I4s", file, at)
        found.append((kind, file[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def _png_parts(file: bytes, chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Change, drop, double or move a chunk; all checksums are right afterwards."""
    parts = _chunks(file) if file.startswith(PNG_SIGNATURE) else []
    if not parts:
        return _flip(file, chance, seeds)
    at = chance.randrange(len(parts))
    kind, payload = parts[at]
    what = chance.randrange(5)
    if what == 0:
        parts[at : at + 1] = [] if chance.random() < 0.3 else [parts[at]] * 2
    elif what == 1:
        parts.insert(chance.randrange(len(parts)), parts.pop(at))
    elif what == 2 and kind == b"IDAT":
        parts[at] = (kind, _other_stream(payload, chance, seeds))
    elif payload:
        blind = chance.choice((_flip, _word, _cut, _repeat))
        parts[at] = (kind, blind(payload, chance, seeds))
    return PNG_SIGNATURE + b"".join(chunk(kind, payload) for kind, payload in parts)


def _other_stream(payload: bytes, chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Change what a stream inflates to, so that it is sound and yet not what the header promises."""
    try:
        raw = zlib.decompress(payload)
    except zlib.error:
        return _flip(payload, chance, seeds) if payload else payload
    return zlib.compress(chance.choice((_flip, _cut, _repeat))(raw or b"\0", chance, seeds), chance.choice((0, 1, 9)))


def _jpeg_parts(file: bytes, chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Change, drop, double or move a segment, its length left right."""
    parts = _segments(file)
    if len(parts) < 2:
        return _flip(file, chance, seeds)
    at = chance.randrange(1, len(parts))
    what = chance.randrange(4)
    if what == 0:
        parts[at : at + 1] = [] if chance.random() < 0.3 else [parts[at]] * chance.choice((2, 2, 70))
    elif what == 1:
        parts.insert(chance.randrange(1, len(parts)), parts.pop(at))
    elif len(parts[at]) > 4:
        parts[at] = parts[at][:4] + chance.choice((_flip, _word))(parts[at][4:], chance, seeds)
    return b"".join(parts)


def _segments(file: bytes) -> list[bytes]:
    """Split a JPEG in front of each marker that stands outside of coded pixels."""
    parts = [file[:2]]
    at = 2
    while at + 4 <= len(file) and file[at] == 0xFF and file[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(file[at + 2 : at + 4], "big")
        parts.append(file[at:end])
        at = end
    parts.append(file[at:])
    return parts


_Change = Callable[[bytes, Random, Sequence[bytes]], bytes]
_CHANGES: tuple[_Change, ...] = (
    *(_flip, _word, _cut, _repeat, _splice, _noise),
    *(_png_parts, _png_parts, _png_parts, _jpeg_parts, _jpeg_parts, _jpeg_parts),
)
