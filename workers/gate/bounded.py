"""PNG files that might inflate to far more than their pixels need, made into ones that cannot.

libpng inflates the stream of IDAT chunks to its end, even when it has all rows: 4 MB that hold 4 GB of zeros behind
a 10 x 10 image keep OpenCV 5.0 busy for nine seconds. Here the stream is inflated as far as the pixels reach, and
they are handed on uncompressed. That costs an honest colour frame of 1920x1024 (3.5 MB) some 6 ms on top of 33; a
small file, which cannot do harm, is left alone.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator

from workers.errors import ImageInvalid
from workers.gate.magic import PNG_SIGNATURE
from workers.gate.png import MAX_RATIO

# takes half a second to inflate
_HARMLESS_BYTES = 256 << 20
_HEAD = struct.Struct(">I4s")
_CHECKSUM = struct.Struct(">I")
_ZLIB_HEADER = b"\x78\x01"  # RFC 1950: deflate, 32 kB window, fastest
_BLOCK = struct.Struct("<BHH")  # RFC 1951, section 3.2.4: last or not, length, its complement
BLOCK_BYTES = 65_535
_INPUT_BYTES = 65_536  # what zlib did not use of its input, it copies


def bounded(png: memoryview, raw_bytes: int) -> memoryview:
    """Return `png` (IHDR, PLTE, IDAT and IEND chunks, checked), or its like with `raw_bytes` of stored pixels.

    Raises ImageInvalid where the stream is damaged or does not reach that far.
    """
    start, pieces, end = _data_chunks(png)
    if sum(len(piece) for piece in pieces) * MAX_RATIO <= raw_bytes + _HARMLESS_BYTES:
        return png
    return stored(png[:start], inflated(pieces, raw_bytes), raw_bytes, png[end:])


def stored(before: memoryview, blocks: Iterable[bytes | memoryview], raw_bytes: int, after: memoryview) -> memoryview:
    """Return a PNG of what comes `before` IDAT, `raw_bytes` of pixels uncompressed, and what comes `after` it.

    Each of the `blocks` has BLOCK_BYTES (65,535) at most; all together have `raw_bytes`.
    """
    file = bytearray(before)
    file += _HEAD.pack(0, b"IDAT") + _ZLIB_HEADER
    adler = 1
    left = raw_bytes
    for block in blocks:
        left -= len(block)
        file += _BLOCK.pack(left == 0, len(block), len(block) ^ 0xFFFF)
        file += block
        adler = zlib.adler32(block, adler)
    file += _CHECKSUM.pack(adler)
    start = len(before)
    _HEAD.pack_into(file, start, len(file) - start - _HEAD.size, b"IDAT")
    crc = zlib.crc32(memoryview(file)[start + 4 :])
    file += _CHECKSUM.pack(crc)
    file += after
    return memoryview(file)


def _data_chunks(png: memoryview) -> tuple[int, list[memoryview], int]:
    """Return where the IDAT chunks begin, their payloads, and where they end."""
    at = len(PNG_SIGNATURE)
    start = 0
    pieces: list[memoryview] = []
    while True:
        length, kind = _HEAD.unpack_from(png, at)
        if kind == b"IDAT":
            start = start or at
            pieces.append(png[at + 8 : at + 8 + length])
        elif pieces:
            return start, pieces, at
        at += length + 12


def inflated(pieces: list[memoryview], raw_bytes: int, input_bytes: int = _INPUT_BYTES) -> Iterator[bytes]:
    """Yield the first `raw_bytes` of the stream that the `pieces` are, in blocks of 65,535 at most.

    `input_bytes` are read at a time; what a damaged part of that size would have given is lost.
    Raises ImageInvalid where it is damaged or ends too early.
    """
    inflater = zlib.decompressobj()
    left = raw_bytes
    try:
        for piece in pieces:
            for at in range(0, len(piece), input_bytes):
                pending: bytes | memoryview = piece[at : at + input_bytes]
                while block := inflater.decompress(pending, min(left, BLOCK_BYTES)):
                    yield block
                    left -= len(block)
                    if not left:
                        return
                    pending = inflater.unconsumed_tail
    except zlib.error as error:
        msg = f"the PNG's compressed pixels are damaged: {error}"
        raise ImageInvalid(msg) from None
    msg = f"the PNG's compressed pixels end after {raw_bytes - left} of {raw_bytes} bytes"
    raise ImageInvalid(msg)
