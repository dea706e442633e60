"""BMP files made byte by byte: every header, depth, place of masks and pixels that the format knows, and wrong ones."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.image_files.encoded import pack

BGR_MASKS = (0xFF0000, 0xFF00, 0xFF)
RGB, RLE8, RLE4, BITFIELDS, JPEG, PNG, ALPHABITFIELDS = range(7)
_FILE_HEADER_BYTES = 14


@dataclass(frozen=True)
class Bmp:
    """What a BMP says of itself. `offset` is added to where its pixels would begin; `masks` need BITFIELDS."""

    bits: int
    header_bytes: int = 40
    compression: int = RGB
    masks: tuple[int, ...] = ()
    colours: int | None = None  # of the palette; None: all that `bits` can tell apart
    top_down: bool = False
    offset: int = 0
    gap: int = 0  # bytes between palette and pixels
    behind: bytes = b""
    planes: int = 1
    file_bytes: int | None = None  # what the header says


def samples_for(bmp: Bmp, height: int, width: int, random: np.random.Generator) -> NDArray[np.uint32]:
    """Make (h, w) random samples of as many bits as a pixel of `bmp` has."""
    highest = 1 << bmp.bits
    if bmp.bits <= 8 and bmp.colours is not None:
        highest = min(highest, bmp.colours)
    return random.integers(0, highest, (height, width), np.uint64).astype(np.uint32)


def bmp_file(bmp: Bmp, samples: NDArray[np.uint32], palette: NDArray[np.uint8]) -> bytes:
    """Make the file of (h, w) samples; `palette` is (n, 3) BGR, of which as many are written as `bmp` says."""
    height, width = samples.shape
    old = bmp.header_bytes == 12
    count = (1 << bmp.bits if bmp.colours is None else bmp.colours) if bmp.bits <= 8 else 0
    entries = palette[:count]
    table = entries if old else np.hstack([entries, np.zeros((count, 1), np.uint8)])
    header, behind = _header(bmp, width, -height if bmp.top_down else height)
    start = _FILE_HEADER_BYTES + len(header) + len(behind) + table.size + bmp.gap
    pixels = _rows(samples if bmp.top_down else samples[::-1], bmp.bits)
    body = header + behind + table.tobytes() + bytes(bmp.gap) + pixels + bmp.behind
    size = _FILE_HEADER_BYTES + len(body) if bmp.file_bytes is None else bmp.file_bytes
    return b"BM" + struct.pack("<IHHI", size, 0, 0, max(start + bmp.offset, 0)) + body


def _header(bmp: Bmp, width: int, height: int) -> tuple[bytes, bytes]:
    """Return the header, and the masks that lie behind it."""
    if bmp.header_bytes == 12:
        return struct.pack("<IHHHH", 12, width, abs(height), bmp.planes, bmp.bits), b""
    fixed = struct.pack("<IiiHHI", bmp.header_bytes, width, height, bmp.planes, bmp.bits, bmp.compression)
    fixed += struct.pack("<IiiII", 0, 2835, 2835, bmp.colours or 0, 0)
    masks = struct.pack(f"<{len(bmp.masks)}I", *bmp.masks) if bmp.compression in {BITFIELDS, ALPHABITFIELDS} else b""
    room = bmp.header_bytes - len(fixed)
    return fixed + masks[:room].ljust(room, b"\0"), masks if room == 0 else b""


def _rows(samples: NDArray[np.uint32], bits: int) -> bytes:
    if bits <= 8:
        packed = pack(samples.astype(np.uint16), bits)
    else:
        packed = samples.astype("<u4").view(np.uint8).reshape(*samples.shape, 4)[..., : bits // 8]
        packed = packed.reshape(len(samples), -1)
    return np.pad(packed, ((0, 0), (0, -packed.shape[1] % 4))).tobytes()


def expected_bgr(bmp: Bmp, samples: NDArray[np.uint32], palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what `samples` mean: the palette's colours, or 8 bits of blue, green and red each."""
    if bmp.bits <= 8:
        return palette[samples]
    masked = bmp.compression in {BITFIELDS, ALPHABITFIELDS}
    if bmp.bits == 16 or (masked and bmp.masks[:3] != BGR_MASKS):
        red, green, blue = (_channel(samples, mask) for mask in (bmp.masks if masked else (0x7C00, 0x3E0, 0x1F))[:3])
        return np.dstack([blue, green, red])
    return np.dstack([samples & 255, samples >> 8 & 255, samples >> 16 & 255]).astype(np.uint8)


def _channel(samples: NDArray[np.uint32], mask: int) -> NDArray[np.uint8]:
    lowest = (mask & -mask).bit_length() - 1
    full: NDArray[np.uint8] = np.rint(((samples & mask) >> lowest) * (255 / (mask >> lowest))).astype(np.uint8)
    return full
