"""A PNG's pixels, inflated exactly as far as they reach and handed on uncompressed.

libpng inflates the stream of IDAT chunks to its end, even when it has all rows: 4 MB that hold 4 GB of zeros behind a
10 x 10 image keep OpenCV 5.0 busy for nine seconds. Here nothing is inflated that is no pixel. It is no detour either:
ISA-L inflates a colour frame of 1920x1024 in half the time that zlib takes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from isal import isal_zlib
from isal.isal_zlib import IsalError

from workers.errors import ImageInvalid
from workers.gate.magic import PNG_SIGNATURE

_HEAD = struct.Struct(">I4s")
_CHECKSUM = struct.Struct(">I")
_IDAT = b"IDAT"
_ZLIB_HEADER = b"\x78\x01"  # RFC 1950: deflate, 32 kB window, fastest
_BLOCK = struct.Struct("<BHH")  # RFC 1951, section 3.2.4: last or not, length, its complement
_BLOCK_BYTES = 65_535


def bounded(png: memoryview, raw_bytes: int) -> bytes:
    """Return the like of `png` (IHDR, PLTE, IDAT and IEND chunks, checked) with `raw_bytes` of stored pixels.

    Raises ImageInvalid where the stream is damaged or does not reach that far.
    """
    start, pieces, end = _data_chunks(png)
    return stored(png[:start], _inflated(b"".join(pieces), raw_bytes), png[end:])


def stored(before: bytes | memoryview, pixels: bytes | bytearray, after: bytes | memoryview) -> bytes:
    """Return a PNG of what comes `before` IDAT, `pixels` (filtered rows) uncompressed, and what comes `after` it."""
    parts = _parts(pixels)
    checksum = isal_zlib.crc32(_IDAT)
    for part in parts:
        checksum = isal_zlib.crc32(part, checksum)
    return b"".join([before, _HEAD.pack(sum(map(len, parts)), _IDAT), *parts, _CHECKSUM.pack(checksum), after])


def stored_stream(pixels: bytes) -> bytes:
    """Return a zlib stream that holds `pixels` uncompressed."""
    return b"".join(_parts(pixels))


def _parts(pixels: bytes | bytearray) -> list[bytes | memoryview]:
    return [_ZLIB_HEADER, *_blocks(memoryview(pixels)), _CHECKSUM.pack(isal_zlib.adler32(pixels))]


def _blocks(pixels: memoryview) -> Iterator[bytes | memoryview]:
    for at in range(0, len(pixels), _BLOCK_BYTES):
        block = pixels[at : at + _BLOCK_BYTES]
        yield _BLOCK.pack(at + _BLOCK_BYTES >= len(pixels), len(block), len(block) ^ 0xFFFF)
        yield block


def _data_chunks(png: memoryview) -> tuple[int, list[memoryview], int]:
    """Return where the IDAT chunks begin, their payloads, and where they end."""
    at = len(PNG_SIGNATURE)
    start = 0
    pieces: list[memoryview] = []
    while True:
        length, kind = _HEAD.unpack_from(png, at)
        if kind == _IDAT:
            start = start or at
            pieces.append(png[at + 8 : at + 8 + length])
        elif pieces:
            return start, pieces, at
        at += length + 12


def _inflated(stream: bytes, raw_bytes: int) -> bytes:
    try:
        pixels: bytes = isal_zlib.decompressobj().decompress(stream, raw_bytes)
    except IsalError as error:  # type: ignore[misc]  # its stub takes the class for one of its objects
        msg = f"the PNG's compressed pixels are damaged: {error}"
        raise ImageInvalid(msg) from None
    if len(pixels) < raw_bytes:
        msg = f"the PNG's compressed pixels end after {len(pixels)} of {raw_bytes} bytes"
        raise ImageInvalid(msg)
    return pixels
