"""A TIFF for the decoder: the fields that it needs, and strips whose lengths and checksums have been looked at.

libtiff fills a strip that is too short, passes over what is left of one that is too long, and leaves deflate's checksum
unread. Nothing but what `workers.gate.tiff` has read reaches it: other fields would only make it complain.
"""

from __future__ import annotations

import itertools
import struct

from isal import isal_zlib
from isal.isal_zlib import IsalError

from workers.errors import ImageInvalid, ImageUnsupported
from workers.gate.lzw import unpacked_bytes
from workers.gate.tiff import DEFLATE, LZW, PACKBITS, Tiff, read_tiff
from workers.mending.png_pixels import stored_stream

_SHORT, _LONG = 3, 4
_PADDING_BYTES = 2  # of a strip: writers make lengths even
_MOST_TABLES = 20_000  # of LZW in a file; one is some 5 kB, or a strip
_MOST_RUNS = 4_000_000  # of PackBits, which are walked one by one; no encoder comes near that below 16 megapixels


def plain_tiff(data: memoryview) -> bytes:
    """Return a TIFF with the same pixels as the one in `data`, which `inspect_tiff` has let pass.

    Raises ImageInvalid where a strip does not hold what it must, ImageUnsupported for one in too many pieces.
    """
    tiff = read_tiff(data)
    if tiff.compression == LZW:
        _check_lzw(data, tiff)
    strips = [_checked(data[start:end], tiff, index) for index, (start, end) in enumerate(tiff.strips)]
    return _written(tiff, strips)


def _checked(strip: memoryview, tiff: Tiff, index: int) -> bytes | memoryview:
    expected = tiff.strip_bytes(index)
    if tiff.compression in DEFLATE:
        return stored_stream(_inflated(strip, expected, index))
    if tiff.compression == PACKBITS:
        _check_packbits(strip, expected, index)
    return strip


def _check_lzw(data: memoryview, tiff: Tiff) -> None:
    """Raise unless the codes of each strip make exactly its rows."""
    tables_left = _MOST_TABLES
    for index, (start, end) in enumerate(tiff.strips):
        expected = tiff.strip_bytes(index)
        try:
            made, tables = unpacked_bytes(data[start:end], tables_left)
        except ValueError as error:
            raise _damaged(index, str(error)) from None
        if made != expected:
            raise _damaged(index, f"unpacks to {made} bytes, its rows have {expected}")
        tables_left -= tables


def _inflated(strip: memoryview, expected: int, index: int) -> bytes:
    inflater = isal_zlib.decompressobj()
    try:
        pixels: bytes = inflater.decompress(strip, expected + 1)
    except IsalError as error:  # type: ignore[misc]  # its stub takes the class for one of its objects
        raise _damaged(index, str(error)) from None
    if len(pixels) != expected or not inflater.eof or any(inflater.unused_data):
        at_least = "at least " if len(pixels) > expected else ""
        raise _damaged(index, f"inflates to {at_least}{len(pixels)} bytes, its rows have {expected}, or more follows")
    return pixels


def _check_packbits(strip: memoryview, expected: int, index: int) -> None:
    """Raise unless the runs of a strip (TIFF 6.0, section 9) make exactly its rows."""
    packed = bytes(strip)
    at = made = 0
    for _ in range(_MOST_RUNS):
        if made >= expected or at >= len(packed):
            break
        head = packed[at]
        if head < 128:
            at += head + 2
            made += head + 1
        elif head > 128:
            at += 2
            made += 257 - head
        else:
            at += 1
    else:
        msg = f"the TIFF's strip {index} is packed in more than {_MOST_RUNS} runs"
        raise ImageUnsupported(msg)
    if made != expected or at > len(packed) or len(packed) - at > _PADDING_BYTES or any(packed[at:]):
        raise _damaged(index, f"unpacks to {made} bytes from {len(packed)}, its rows have {expected}")


def _damaged(index: int, reason: str) -> ImageInvalid:
    return ImageInvalid(f"the TIFF's strip {index} is damaged: {reason}")


def _written(tiff: Tiff, strips: list[bytes | memoryview]) -> bytes:
    lengths = [len(strip) for strip in strips]
    fields = [
        (256, _LONG, [tiff.width]),
        (257, _LONG, [tiff.height]),
        (258, _SHORT, [tiff.bits] * tiff.samples),
        (259, _SHORT, [tiff.compression]),
        (262, _SHORT, [tiff.photometric]),
        (273, _LONG, [0] * len(strips)),
        (277, _SHORT, [tiff.samples]),
        (278, _LONG, [tiff.rows_per_strip]),
        (279, _LONG, lengths),
        *([(317, _SHORT, [tiff.predictor])] if tiff.predictor != 1 else []),
        *([(338, _SHORT, [tiff.extra_sample])] if tiff.samples == 4 else []),
    ]
    start = len(_directory(tiff, fields))
    fields[5] = (273, _LONG, list(itertools.accumulate(lengths[:-1], initial=start)))
    return b"".join([_directory(tiff, fields), *strips])


def _directory(tiff: Tiff, fields: list[tuple[int, int, list[int]]]) -> bytes:
    """Return header, directory and the values that are too long for it."""
    head = (b"II" if tiff.order == "<" else b"MM") + struct.pack(f"{tiff.order}HIH", 42, 8, len(fields))
    elsewhere = len(head) + 12 * len(fields) + 4
    entries, values = b"", b""
    for tag, kind, numbers in fields:
        packed = struct.pack(f"{tiff.order}{len(numbers)}{'H' if kind == _SHORT else 'I'}", *numbers)
        if len(packed) > 4:
            packed, values = struct.pack(f"{tiff.order}I", elsewhere + len(values)), values + packed
        entries += struct.pack(f"{tiff.order}HHI", tag, kind, len(numbers)) + packed.ljust(4, b"\0")
    return head + entries + bytes(4) + values
