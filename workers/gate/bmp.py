"""BMP: headers, masks, palette and rows, each where the file says and of the size that it says.

Accepted are uncompressed pixels of 1, 4, 8 (palette), 24 and 32 bits (blue in the lowest byte, red in the third).
Refused are 16 bits, since 5 become 8 in more ways than one, masks in another order, and what is packed.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

from workers.errors import ImageInvalid, ImageUnsupported
from workers.gate.header import ImageHeader, ImageLimits, check_padding, check_size

_FILE_HEADER_BYTES = 14
_OLD_HEADER_BYTES = 12  # BITMAPCOREHEADER, of OS/2
_FIRST_WITH_MASKS_BYTES = 52
_OS2_HEADER_BYTES = 64  # there the number of BI_BITFIELDS stands for a fax
_HEADERS = frozenset({_OLD_HEADER_BYTES, 40, _FIRST_WITH_MASKS_BYTES, 56, _OS2_HEADER_BYTES, 108, 124})
_UNCOMPRESSED, _BITFIELDS = 0, 3
_MASKS_AT = _FILE_HEADER_BYTES + 40  # in the header, or right behind one without masks
_BGR_MASKS = (0xFF0000, 0xFF00, 0xFF)
_PALETTES = frozenset({1, 4, 8})


class _Header(NamedTuple):
    pixels_at: int
    header_bytes: int
    width: int
    height: int  # negative where the first row is the top one
    planes: int
    bits: int
    compression: int = _UNCOMPRESSED
    colours: int = 0  # of the palette; 0 for as many as the bits can tell apart

    @property
    def row_bytes(self) -> int:
        return (self.width * self.bits + 31) // 32 * 4

    @property
    def palette_colours(self) -> int:
        return (self.colours or 1 << self.bits) if self.bits in _PALETTES else 0

    @property
    def earliest_pixels_at(self) -> int:
        masks = 12 if self.compression == _BITFIELDS and self.header_bytes < _FIRST_WITH_MASKS_BYTES else 0
        entry = 3 if self.header_bytes == _OLD_HEADER_BYTES else 4
        return _FILE_HEADER_BYTES + self.header_bytes + masks + entry * self.palette_colours


def inspect_bmp(data: memoryview, limits: ImageLimits) -> ImageHeader:
    """Check the BMP in `data`; raises ImageInvalid, ImageTooLarge or ImageUnsupported."""
    try:
        header = _read_header(data)
        check_size("BMP", header.width, abs(header.height), limits)
        _check_kind(data, header)
    except struct.error:
        raise ImageInvalid("the BMP ends inside its header: the file is truncated") from None
    if header.colours > 1 << header.bits and header.bits in _PALETTES:
        msg = f"the BMP's palette has {header.colours} colours, {header.bits} bits tell {1 << header.bits} apart"
        raise ImageInvalid(msg)
    if header.pixels_at < header.earliest_pixels_at:
        msg = f"the BMP's pixels begin at byte {header.pixels_at}, within what ends at {header.earliest_pixels_at}"
        raise ImageInvalid(msg)
    end = header.pixels_at + header.row_bytes * abs(header.height)
    if end > len(data):
        msg = f"the BMP needs {end} bytes for its pixels and has {len(data)}: the file is truncated"
        raise ImageInvalid(msg)
    if struct.unpack_from("<I", data, 2)[0] != len(data):
        check_padding("BMP", data, end)
    _check_indices(data, header)
    return ImageHeader("bmp", header.width, abs(header.height))


def _read_header(data: memoryview) -> _Header:
    pixels_at, header_bytes = struct.unpack_from("<II", data, 10)
    if header_bytes == _OLD_HEADER_BYTES:
        return _Header(pixels_at, header_bytes, *struct.unpack_from("<HHHH", data, 18))
    if header_bytes not in _HEADERS:
        msg = f"the BMP has a header of {header_bytes} bytes; {', '.join(map(str, sorted(_HEADERS)))} are known"
        raise ImageUnsupported(msg)
    return _Header(pixels_at, header_bytes, *struct.unpack_from("<iiHHI12xI", data, 18))


def _check_kind(data: memoryview, header: _Header) -> None:
    """Raise ImageUnsupported unless these are pixels that can be read in one way."""
    masked = header.compression == _BITFIELDS and header.bits == 32 and header.header_bytes != _OS2_HEADER_BYTES
    plain = header.compression == _UNCOMPRESSED and header.bits in _PALETTES | {24, 32}
    if not masked and (not plain or (header.bits == 32 and header.header_bytes == _OLD_HEADER_BYTES)):
        msg = (
            f"the BMP has {header.bits} bits a pixel and compression {header.compression};"
            " uncompressed ones of 1, 4, 8, 24 or 32 bits are accepted"
        )
        raise ImageUnsupported(msg)
    if header.planes != 1:
        msg = f"the BMP has {header.planes} planes; one is accepted"
        raise ImageUnsupported(msg)
    masks = struct.unpack_from("<III", data, _MASKS_AT) if masked else _BGR_MASKS
    if masks != _BGR_MASKS:
        msg = f"the BMP has its colours in the bits {', '.join(f'{mask:08x}' for mask in masks)}; only BGR is accepted"
        raise ImageUnsupported(msg)


def _check_indices(data: memoryview, header: _Header) -> None:
    """Raise if a pixel has a colour that the palette has not."""
    if header.bits not in _PALETTES or header.palette_colours >= 1 << header.bits:
        return
    height = abs(header.height)
    flat = np.frombuffer(data, np.uint8, header.row_bytes * height, header.pixels_at)
    rows = flat.reshape(height, header.row_bytes)
    per_byte = 8 // header.bits
    highest = 0
    for place in range(per_byte):
        columns = -(-(header.width - place) // per_byte)
        shift = 8 - header.bits * (place + 1)
        if columns > 0:
            highest = max(highest, int((rows[:, :columns] >> shift & (1 << header.bits) - 1).max()))
    if highest >= header.palette_colours:
        msg = f"the BMP has pixels of colour {highest}, its palette has {header.palette_colours} colours"
        raise ImageInvalid(msg)
