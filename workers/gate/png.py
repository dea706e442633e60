"""PNG: chunk by chunk, as in the PNG specification, third edition, sections 5 and 11.

Every chunk must lie within the file, and those of the image must carry the right CRC. Only IHDR, PLTE (of a palette
image), IDAT and IEND reach the decoder: that drops animation, texts, profiles, gamma and transparency, so a file is
answered with the pixels that it stores, and nothing but those is ever inflated (`workers.mending.png_pixels` sees to
how far). A wrong CRC of a chunk that is dropped is noted.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from isal.isal_zlib import crc32

from workers.errors import ImageInvalid
from workers.gate.header import ImageHeader, ImageLimits, check_size
from workers.gate.magic import PNG_SIGNATURE

HEAD = struct.Struct(">I4s")
_CRC = struct.Struct(">I")
_IHDR = struct.Struct(">IIBBBBB")
FRAMING_BYTES = 12  # length, type and CRC of a chunk
# a row of 16,384 pixels in a chunk each, and as much again; walking so many takes some 50 ms
MAX_CHUNKS = 65_536
_MAX_OTHER_CHUNKS = 1024  # texts and the like; encoders write some ten
_MOST_NOTES = 8
PALETTE = 3
_SAMPLES = {0: 1, 2: 3, PALETTE: 1, 4: 2, 6: 4}  # per pixel, by colour type
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), PALETTE: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
# the pixels of a pass: from column and row, every so many columns and rows (PNG, section 8.2)
_ONE_PASS = ((0, 0, 1, 1),)
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
# zlib's technical details: deflate cannot do better than 1032 to 1; the rest is room for its header
MAX_RATIO, _RATIO_SLACK_BYTES = 1032, 1024


@dataclass(slots=True)
class _Chunk:
    """A chunk, or a run of IDAT chunks, which are one stream in pieces of a few kB."""

    kind: bytes
    start: int
    end: int
    payload_bytes: int


class Ihdr(NamedTuple):
    """What the IHDR chunk holds."""

    width: int
    height: int
    bit_depth: int
    colour_type: int
    compression: int
    filtering: int
    interlace: int

    @property
    def passes(self) -> tuple[tuple[int, int], ...]:
        """Return rows and bytes of a row, its filter byte included, of each pass that has any."""
        bits = _SAMPLES[self.colour_type] * self.bit_depth
        found = []
        for left, top, across, down in _ADAM7 if self.interlace else _ONE_PASS:
            width, height = -((left - self.width) // across), -((top - self.height) // down)
            if width > 0 and height > 0:
                found.append((height, 1 + (width * bits + 7) // 8))
        return tuple(found)

    @property
    def raw_bytes(self) -> int:
        """Return what the pixels take before compression."""
        return sum(count * row_bytes for count, row_bytes in self.passes)


def inspect_png(data: memoryview, limits: ImageLimits) -> ImageHeader:
    """Check the PNG in `data` and say which bytes of it the decoder needs.

    What follows its end is for the caller to judge. Raises ImageInvalid or ImageTooLarge.
    """
    ihdr = read_ihdr(data)
    check_size("PNG", ihdr.width, ihdr.height, limits)
    notes: list[str] = []
    chunks = _read_chunks(data, notes)
    _check_order(chunks)
    check_plausible(next(chunk.payload_bytes for chunk in chunks if chunk.kind == b"IDAT"), ihdr)
    needed = {b"IHDR", b"IDAT", b"IEND"}
    if ihdr.colour_type == PALETTE:
        kinds = [chunk.kind for chunk in chunks]
        if kinds.count(b"PLTE") != 1 or kinds.index(b"PLTE") > kinds.index(b"IDAT"):
            raise ImageInvalid("the PNG has a palette type but not one PLTE chunk before its pixels")
        check_palette(chunks[kinds.index(b"PLTE")].payload_bytes)
        needed.add(b"PLTE")
    dropped = any(chunk.kind not in needed for chunk in chunks)
    kept = _ranges([chunk for chunk in chunks if chunk.kind in needed]) if dropped else ()
    return ImageHeader(
        "png",
        ihdr.width,
        ihdr.height,
        kept=kept,
        raw_bytes=ihdr.raw_bytes,
        end=chunks[-1].end,
        notes=tuple(notes[:_MOST_NOTES]),
    )


def whole_png_bytes(data: memoryview) -> int:
    """Return how many bytes the PNG has that `data` begins with; raises ImageInvalid where there is no whole one."""
    return _read_chunks(data, [])[-1].end


def _read_chunks(data: memoryview, notes: list[str]) -> list[_Chunk]:
    """Return what there is from IHDR to IEND; `notes` get what is wrong with chunks that no image needs."""
    chunks: list[_Chunk] = []
    at = len(PNG_SIGNATURE)
    for _ in range(MAX_CHUNKS):
        kind, end = _framed(data, at)
        if not _is_intact(data, at, end):
            if kind[:1].isupper():
                raise _wrong_crc(kind, at)
            notes.append(f"the PNG's chunk {kind.decode()} at byte {at} has a wrong CRC; it is ignored")
        payload_bytes = end - at - FRAMING_BYTES
        if kind == b"IDAT" and chunks[-1].kind == b"IDAT":
            chunks[-1].end = end
            chunks[-1].payload_bytes += payload_bytes
        else:
            chunks.append(_Chunk(kind, at, end, payload_bytes))
            if len(chunks) > _MAX_OTHER_CHUNKS:
                msg = f"the PNG has more than {_MAX_OTHER_CHUNKS} chunks beside those of its pixels"
                raise ImageInvalid(msg)
        if kind == b"IEND":
            return chunks
        at = end
    msg = f"the PNG has more than {MAX_CHUNKS} chunks"
    raise ImageInvalid(msg)


def read_chunk(data: memoryview, at: int) -> tuple[bytes, int]:
    """Return the kind of the chunk at `at` and where it ends; raises ImageInvalid where it is not sound."""
    kind, end = _framed(data, at)
    if not _is_intact(data, at, end):
        raise _wrong_crc(kind, at)
    return kind, end


def _is_intact(data: memoryview, at: int, end: int) -> bool:
    return bool(crc32(data[at + 4 : end - 4]) == _CRC.unpack_from(data, end - 4)[0])


def _wrong_crc(kind: bytes, at: int) -> ImageInvalid:
    return ImageInvalid(f"the PNG's chunk {kind.decode()} at byte {at} has a wrong CRC: the file is damaged")


def _framed(data: memoryview, at: int) -> tuple[bytes, int]:
    """Return the kind of the chunk at `at` and where it ends; raises ImageInvalid where there is none."""
    if len(data) - at < FRAMING_BYTES:
        msg = f"the PNG ends at byte {len(data)} without an IEND chunk: the file is truncated"
        raise ImageInvalid(msg)
    length, kind = HEAD.unpack_from(data, at)
    if not kind.isalpha():
        msg = f"the PNG has no chunk where one should begin, at byte {at}: the file is damaged"
        raise ImageInvalid(msg)
    end = at + length + FRAMING_BYTES
    if end > len(data):
        msg = (
            f"the PNG ends inside chunk {kind.decode()} at byte {len(data)}: the file is truncated"
            f" (the chunk begins at byte {at} and says that it has {length} bytes)"
        )
        raise ImageInvalid(msg)
    return kind, end


def read_ihdr(data: memoryview) -> Ihdr:
    """Return the first chunk of the PNG in `data`; raises ImageInvalid where it is not a sound IHDR."""
    if data[: len(PNG_SIGNATURE)] != PNG_SIGNATURE:
        raise ImageInvalid("the PNG's first 8 bytes are damaged, or are all there is of it")
    start = len(PNG_SIGNATURE)
    kind, end = read_chunk(data, start)
    if kind != b"IHDR" or end - start != FRAMING_BYTES + _IHDR.size:
        raise ImageInvalid("the PNG does not begin with an IHDR chunk of 13 bytes")
    ihdr = Ihdr(*_IHDR.unpack_from(data, start + HEAD.size))
    if ihdr.bit_depth not in _DEPTHS.get(ihdr.colour_type, ()):
        msg = f"the PNG's IHDR names colour type {ihdr.colour_type} with {ihdr.bit_depth} bits, which PNG has not"
        raise ImageInvalid(msg)
    if ihdr.compression or ihdr.filtering or ihdr.interlace > 1:
        raise ImageInvalid("the PNG's IHDR names a compression, filter or interlace method that PNG has not")
    return ihdr


def _check_order(chunks: list[_Chunk]) -> None:
    for chunk in chunks[1:]:
        # an upper-case first letter: a reader that does not know the chunk must not show the picture
        if chunk.kind[:1].isupper() and chunk.kind not in {b"PLTE", b"IDAT", b"IEND"}:
            msg = f"the PNG's chunk {chunk.kind.decode()} at byte {chunk.start} is not allowed there"
            raise ImageInvalid(msg)
    runs = sum(chunk.kind == b"IDAT" for chunk in chunks)
    if runs != 1:
        reason = "has no IDAT chunk" if runs == 0 else "has other chunks between its IDAT chunks"
        msg = f"the PNG {reason}: the file is damaged"
        raise ImageInvalid(msg)
    if chunks[-1].payload_bytes:
        raise ImageInvalid("the PNG's IEND chunk is not empty")


def check_plausible(compressed: int, ihdr: Ihdr) -> None:
    """Raise if `compressed` bytes cannot hold the pixels, however well they are packed."""
    if ihdr.raw_bytes > MAX_RATIO * compressed + _RATIO_SLACK_BYTES:
        msg = f"the PNG claims {ihdr.width} x {ihdr.height} pixels, more than its {compressed} bytes of IDAT can hold"
        raise ImageInvalid(msg)


def check_palette(size: int) -> None:
    """Raise unless `size` bytes can be a palette."""
    if size % 3 or not 3 <= size <= 3 * 256:
        msg = f"the PNG's PLTE chunk has {size} bytes; 3 for each of 1 to 256 colours are expected"
        raise ImageInvalid(msg)


def _ranges(needed: list[_Chunk]) -> tuple[tuple[int, int] | bytes, ...]:
    """Return the signature and the needed chunks as byte ranges, neighbours joined."""
    ranges = [(0, len(PNG_SIGNATURE))]
    for chunk in needed:
        if ranges[-1][1] == chunk.start:
            ranges[-1] = (ranges[-1][0], chunk.end)
        else:
            ranges.append((chunk.start, chunk.end))
    return (*ranges,)
