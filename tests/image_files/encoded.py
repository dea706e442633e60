"""PNG and JPEG files made byte by byte, so that a test can damage any part of them."""

from __future__ import annotations

import re
import struct
import zlib

import cv2
import numpy as np
from numpy.typing import NDArray

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = b"\xff\xd9"
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by PNG's colour type
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(kind: bytes, payload: bytes = b"") -> bytes:
    """Make a PNG chunk with its right CRC."""
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def ihdr(width: int, height: int, depth: int = 8, colour: int = 0, interlace: int = 0) -> bytes:
    """Make an IHDR chunk."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))


def png(header: bytes, stream: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
    """Make a PNG of IHDR, what comes before IDAT, one IDAT with `stream`, what comes after it, IEND."""
    return PNG_SIGNATURE + header + before + chunk(b"IDAT", stream) + after + chunk(b"IEND")


def rows(packed: NDArray[np.uint8]) -> bytes:
    """Put filter byte 0 before each row of (h, bytes of a row)."""
    return b"".join(b"\0" + row.tobytes() for row in packed)


def pack(samples: NDArray[np.uint16], depth: int) -> NDArray[np.uint8]:
    """Pack (h, n) samples of `depth` bits into bytes, rows padded to whole ones, as PNG does."""
    if depth == 16:
        return samples.astype(">u2").view(np.uint8)
    bits = samples[..., None] >> np.arange(depth)[::-1] & 1
    return np.packbits(bits.astype(np.uint8).reshape(len(samples), -1), axis=1)


def png_of(
    samples: NDArray[np.uint16], colour: int, depth: int, before: bytes = b"", *, interlaced: bool = False
) -> bytes:
    """Make a PNG of (h, w, samples of a pixel)."""
    height, width = samples.shape[:2]
    steps = ADAM7 if interlaced else ((0, 0, 1, 1),)
    passes = [samples[y::dy, x::dx] for x, y, dx, dy in steps]
    parts = [part.reshape(len(part), -1) for part in passes if part.size]
    stream = zlib.compress(b"".join(rows(pack(part, depth)) for part in parts))
    return png(ihdr(width, height, depth, colour, int(interlaced)), stream, before)


def expected_bgr(samples: NDArray[np.uint16], colour: int, depth: int) -> NDArray[np.uint8]:
    """Reduce to 8 bits, drop alpha, repeat grey, turn RGB into BGR."""
    eight = samples >> 8 if depth == 16 else samples * (255 // ((1 << depth) - 1))
    plain = eight[..., :3][..., ::-1] if colour in {2, 6} else eight[..., :1].repeat(3, axis=2)
    return plain.astype(np.uint8)


def grey_png(pixels: NDArray[np.uint8], before: bytes = b"", after: bytes = b"") -> bytes:
    """Make an 8-bit grey PNG of (h, w)."""
    height, width = pixels.shape
    return png(ihdr(width, height), zlib.compress(rows(pixels)), before, after)


def jpeg(pixels: NDArray[np.uint8], *settings: int) -> bytes:
    """Encode (h, w) or (h, w, 3) BGR with cv2 and its `settings`."""
    done, encoded = cv2.imencode(".jpg", pixels, settings)
    assert done
    return encoded.tobytes()


def segment(marker: int, payload: bytes) -> bytes:
    """Make a JPEG segment."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(payload) + 2) + payload


def exif(orientation: int) -> bytes:
    """Make a TIFF block that holds nothing but an orientation, 1 to 8."""
    return b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def with_segment(file: bytes, marker: int, payload: bytes) -> bytes:
    """Put a segment right behind the start of a JPEG."""
    return file[:2] + segment(marker, payload) + file[2:]


def scan_data(file: bytes) -> bytes:
    """Return the coded pixels of a JPEG with one scan."""
    start = file.index(b"\xff\xda") + 2
    return file[start + struct.unpack_from(">H", file, start)[0] : -len(END)]


def rare_jpeg(width: int, height: int, sampling: tuple[tuple[int, int], ...]) -> bytes:
    """Make a JPEG of three components with any sampling factors, each in a scan of its own.

    A scan of one component does not depend on the factors, so each comes from a grey JPEG of that component's size.
    """
    widest, tallest = (max(factors) for factors in zip(*sampling, strict=True))
    sizes = [(-(-width * x // widest), -(-height * y // tallest)) for x, y in sampling]
    # luma is a slope, one chroma another, the last is constant: smooth, so that upsampling matters little
    planes = [
        np.linspace(20, 220, w * h).reshape(h, w).astype(np.uint8) if index < 2 else np.full((h, w), 140, np.uint8)
        for index, (w, h) in enumerate(sizes)
    ]
    greys = [jpeg(plane, cv2.IMWRITE_JPEG_QUALITY, 95) for plane in planes]
    tables = re.findall(rb"\xff[\xdb\xc4]..(?:[^\xff])*", greys[0], re.DOTALL)
    factors = b"".join(bytes((n, x << 4 | y, 0)) for n, (x, y) in enumerate(sampling, 1))
    frame = segment(0xC0, struct.pack(">BHHB", 8, height, width, 3) + factors)
    scans = [segment(0xDA, bytes((1, n, 0, 0, 63, 0))) + scan_data(grey) for n, grey in enumerate(greys, 1)]
    return b"\xff\xd8" + b"".join(tables) + frame + b"".join(scans) + END
