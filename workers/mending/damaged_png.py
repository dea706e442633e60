"""A damaged PNG made into a sound one, for sites that set `lenient`.

Size, kind and palette must be intact, for nobody could say what else they were. Of the pixels all are kept that can
still be inflated, wrong checksums or not; those that cannot are zero: black, or a palette's first colour.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np

from workers.errors import ImageInvalid
from workers.gate.header import ImageHeader, ImageLimits, check_size
from workers.gate.magic import PNG_SIGNATURE
from workers.gate.png import (
    FRAMING_BYTES,
    HEAD,
    MAX_CHUNKS,
    PALETTE,
    Ihdr,
    check_palette,
    check_plausible,
    read_chunk,
    read_ihdr,
)
from workers.mending.png_pixels import stored

_IHDR_END = len(PNG_SIGNATURE) + FRAMING_BYTES + 13
_END = b"\0\0\0\0IEND\xaeB`\x82"
_INPUT_BYTES = 64  # so little is lost around the damage
_FILTERS = 5  # PNG, section 9.2: types 0 to 4


def mend_png(data: memoryview, limits: ImageLimits) -> tuple[ImageHeader, memoryview]:
    """Return the header and a sound file with the pixels that can be had of the damaged PNG in `data`.

    Raises ImageInvalid where there are none, or where size or palette are damaged; ImageTooLarge.
    """
    ihdr = read_ihdr(data)
    check_size("PNG", ihdr.width, ihdr.height, limits)
    palette, pieces = _read(data, ihdr)
    check_plausible(sum(map(len, pieces)), ihdr)
    pixels = _pixels(pieces, ihdr)
    header = ImageHeader("png", ihdr.width, ihdr.height, raw_bytes=ihdr.raw_bytes)
    return header, memoryview(stored(bytes(data[:_IHDR_END]) + palette, pixels, _END))


def _read(data: memoryview, ihdr: Ihdr) -> tuple[bytes, list[memoryview]]:
    """Return the PLTE chunk, where it is needed, and what there is of the IDAT chunks."""
    palette = b""
    pieces: list[memoryview] = []
    at = _IHDR_END
    for _ in range(MAX_CHUNKS):
        if len(data) - at < HEAD.size:
            break
        length, kind = HEAD.unpack_from(data, at)
        if kind == b"IEND" or not kind.isalpha():
            break
        if kind == b"PLTE" and ihdr.colour_type == PALETTE:
            palette = bytes(data[at : read_chunk(data, at)[1]])
            check_palette(length)
        elif kind == b"IDAT":
            pieces.append(data[at + HEAD.size : at + HEAD.size + length])
        at += length + FRAMING_BYTES
    if ihdr.colour_type == PALETTE and not palette:
        raise ImageInvalid("the PNG has a palette type and no PLTE chunk")
    return palette, pieces


def _pixels(pieces: list[memoryview], ihdr: Ihdr) -> bytearray:
    """Inflate what can be inflated; the rest stays zero."""
    pixels = bytearray(ihdr.raw_bytes)
    at = 0
    try:
        for block in _inflated(pieces, ihdr.raw_bytes):
            pixels[at : at + len(block)] = block
            at += len(block)
    except zlib.error as error:
        if not at:
            msg = f"the PNG's compressed pixels are damaged: {error}"
            raise ImageInvalid(msg) from None
    _replace_unknown_filters(pixels, ihdr)
    return pixels


def _inflated(pieces: list[memoryview], raw_bytes: int) -> Iterator[bytes]:
    """Yield the stream of `pieces` as far as it goes, `raw_bytes` at most; raises zlib.error where it is damaged."""
    inflater = zlib.decompressobj()
    left = raw_bytes
    for piece in pieces:
        for at in range(0, len(piece), _INPUT_BYTES):
            pending: bytes | memoryview = piece[at : at + _INPUT_BYTES]
            while block := inflater.decompress(pending, left):
                yield block
                left -= len(block)
                if not left:
                    return
                pending = inflater.unconsumed_tail


def _replace_unknown_filters(pixels: bytearray, ihdr: Ihdr) -> None:
    """Rows whose first byte names no filter stop a decoder; these have none from now on."""
    at = 0
    flat = np.frombuffer(pixels, np.uint8)
    for count, row_bytes in ihdr.passes:
        filters = flat[at : at + count * row_bytes : row_bytes]
        filters[filters >= _FILTERS] = 0
        at += count * row_bytes
