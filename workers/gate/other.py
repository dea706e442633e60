"""BMP, TIFF and WebP: size, and that what the headers point to lies within the file.

A site must ask for these formats (setting `formats`): they carry no checksum, their decoders fill in what damaged
data leave open, and none of that can be seen from outside. Whole lossless files are decoded as they are stored.
"""

from __future__ import annotations

import struct
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers.errors import ImageInvalid, ImageTooLarge, ImageUnsupported
from workers.gate.header import ImageHeader, ImageLimits, check_size

_BMP_OLD_HEADER_BYTES = 12  # BITMAPCOREHEADER, of OS/2; BITMAPINFOHEADER and its successors have 40 and more
_BMP_UNCOMPRESSED = frozenset({0, 3, 6})  # BI_RGB, BI_BITFIELDS, BI_ALPHABITFIELDS
_WEBP_ANIMATED = 0x02


def inspect_bmp(data: memoryview, limits: ImageLimits) -> ImageHeader:
    """Check the uncompressed BMP in `data`; raises ImageInvalid, ImageTooLarge or ImageUnsupported."""
    compression = 0
    try:
        start, header_bytes = struct.unpack_from("<II", data, 10)
        if header_bytes == _BMP_OLD_HEADER_BYTES:
            width, height, _planes, bits = struct.unpack_from("<HHHH", data, 18)
        else:
            width, height, _planes, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    except struct.error:
        raise ImageInvalid("the BMP ends inside its header: the file is truncated") from None
    height = abs(height)  # negative where the first row is the top one
    check_size("BMP", width, height, limits)
    if compression not in _BMP_UNCOMPRESSED or bits not in {1, 4, 8, 16, 24, 32}:
        msg = f"the BMP has {bits} bits a pixel and compression {compression}; only uncompressed ones are accepted"
        raise ImageUnsupported(msg)
    needed = start + (width * bits + 31) // 32 * 4 * height
    if needed > len(data):
        msg = f"the BMP needs {needed} bytes for its pixels and has {len(data)}: the file is truncated"
        raise ImageInvalid(msg)
    return ImageHeader("bmp", width, height)


def inspect_webp(data: memoryview, limits: ImageLimits) -> ImageHeader:
    """Check the WebP in `data`, as in its container specification; raises as `inspect_bmp` does."""
    try:
        (riff_bytes,) = struct.unpack_from("<I", data, 4)
        width, height = _webp_size(data)
    except struct.error:
        raise ImageInvalid("the WebP ends inside its header: the file is truncated") from None
    if riff_bytes + 8 > len(data):
        msg = f"the WebP says that it has {riff_bytes + 8} bytes and has {len(data)}: the file is truncated"
        raise ImageInvalid(msg)
    check_size("WebP", width, height, limits)
    return ImageHeader("webp", width, height)


def _webp_size(data: memoryview) -> tuple[int, int]:
    kind = bytes(data[12:16])
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind != b"VP8X":
        raise ImageInvalid("the WebP does not begin with a chunk VP8, VP8L or VP8X")
    flags, low, high, low_down, high_down = struct.unpack_from("<B3xHBHB", data, 20)
    if flags & _WEBP_ANIMATED:
        raise ImageUnsupported("the WebP is animated; one image is expected")
    return (high << 16 | low) + 1, (high_down << 16 | low_down) + 1


# TIFF 6.0, section 8 and 15: tags of a directory
_WIDTH, _HEIGHT, _SAMPLES = 256, 257, 277
_STRIP_OFFSETS, _STRIP_BYTES = 273, 279
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 322, 323, 324, 325
_SHORT, _LONG = 3, 4
_TYPE_BYTES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8)  # of a value, by the number of its type


class _TiffField(NamedTuple):
    kind: int
    length: int  # how many values
    at: int  # where they are, in bytes


class _TiffDirectory:
    """The numbers in the first directory of a TIFF."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._order: Literal["<", ">"] = "<" if data[0] == ord("I") else ">"
        self._fields: dict[int, _TiffField] = {}
        (start,) = self._read("I", 4)
        (count,) = self._read("H", start)
        for at in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, length, elsewhere = self._read("HHII", at)
            size = length * (_TYPE_BYTES[kind] if kind < len(_TYPE_BYTES) else 0)
            field = _TiffField(kind, length, at + 8 if size <= 4 else elsewhere)
            if field.at + size > len(data):
                msg = f"the TIFF's field {tag} lies behind the end of the file: the file is truncated"
                raise ImageInvalid(msg)
            self._fields[tag] = field

    def _read(self, layout: str, at: int) -> tuple[int, ...]:
        return struct.unpack_from(self._order + layout, self._data, at)

    def values(self, tag: int, default: int) -> NDArray[np.int64]:
        """Return a field's values, or the default if it is not there."""
        field = self._fields.get(tag)
        if field is None:
            return np.array([default], np.int64)
        if field.kind not in {_SHORT, _LONG} or not field.length:
            msg = f"the TIFF's field {tag} has a wrong type"
            raise ImageInvalid(msg)
        dtype = np.dtype(np.uint16 if field.kind == _SHORT else np.uint32).newbyteorder(self._order)
        return np.frombuffer(self._data, dtype, field.length, field.at).astype(np.int64)


def inspect_tiff(data: memoryview, limits: ImageLimits) -> ImageHeader:
    """Check the first image of the TIFF in `data`, as in TIFF 6.0; raises ImageInvalid or ImageTooLarge."""
    try:
        directory = _TiffDirectory(data)
    except struct.error:
        raise ImageInvalid("the TIFF ends inside its directory: the file is truncated") from None
    width, height = (int(directory.values(tag, 0)[0]) for tag in (_WIDTH, _HEIGHT))
    check_size("TIFF", width, height, limits)
    tile = max(int(directory.values(tag, 1)[0]) for tag in (_TILE_WIDTH, _TILE_HEIGHT))
    if tile > limits.max_side_px or directory.values(_SAMPLES, 1)[0] > 4:
        raise ImageTooLarge("the TIFF has tiles larger than an image may be, or more than 4 samples a pixel")
    for where, size in ((_STRIP_OFFSETS, _STRIP_BYTES), (_TILE_OFFSETS, _TILE_BYTES)):
        offsets, lengths = directory.values(where, 0), directory.values(size, 0)
        if len(offsets) != len(lengths) or (offsets + lengths).max() > len(data):
            raise ImageInvalid("the TIFF's pixels lie behind the end of the file: the file is truncated")
    return ImageHeader("tiff", width, height)
