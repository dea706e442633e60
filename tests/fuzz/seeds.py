"""The sound files that mutants are made of: some two hundred small ones, of every kind that is accepted."""

from __future__ import annotations

import functools
import itertools
import zlib

import cv2
import numpy as np

from tests.image_files.bmp import BGR_MASKS, BITFIELDS, Bmp, bmp_file
from tests.image_files.bmp import samples_for as bmp_samples
from tests.image_files.encoded import (
    ADAM7,
    chunk,
    exif,
    grey_png,
    ihdr,
    jpeg,
    png,
    rare_jpeg,
    rows,
    segment,
    with_segment,
)
from tests.image_files.tiff import Tiff, tiff_file
from tests.image_files.tiff import samples_for as tiff_samples

_KINDS = ((0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 2), (3, 4), (3, 8), (4, 8), (4, 16))
_MORE_KINDS = ((6, 8), (6, 16))
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_SIZES_PX = ((1, 1), (7, 5), (33, 20), (100, 61))
_SAMPLINGS = (0x111111, 0x211111, 0x221111, 0x411111, 0x121111)
_RARE = (((4, 1), (2, 1), (1, 1)), ((1, 1), (2, 2), (1, 1)), ((2, 2), (1, 1), (2, 1)), ((4, 2), (1, 1), (1, 1)))


@functools.cache
def seeds() -> tuple[bytes, ...]:
    """Return all of them, the same in every process."""
    return (*_pngs(), *_jpegs(), *_others())


def _pngs() -> list[bytes]:
    random = np.random.default_rng(1)
    files = []
    for (colour, depth), (width, height), interlace in itertools.product(
        (*_KINDS, *_MORE_KINDS), _SIZES_PX, (False, True)
    ):
        bits = _SAMPLES[colour] * depth
        passes = [(len(range(x, width, dx)), len(range(y, height, dy))) for x, y, dx, dy in ADAM7]
        parts = [random.integers(0, 256, (h, (w * bits + 7) // 8), np.uint8) for w, h in passes if w and h]
        if not interlace:
            parts = [random.integers(0, 256, (height, (width * bits + 7) // 8), np.uint8)]
        before = chunk(b"PLTE", random.bytes(3 << depth)) if colour == 3 else b""
        stream = zlib.compress(b"".join(map(rows, parts)))
        files.append(png(ihdr(width, height, depth, colour, int(interlace)), stream, before))
    pixels = np.linspace(0, 255, 64 * 48).reshape(48, 64).astype(np.uint8)
    extras: tuple[bytes, ...] = (
        b"tRNS\0\0",
        b"gAMA\0\1\x86\xa0",
        b"iCCPp\0\0" + zlib.compress(bytes(300)),
        b"eXIf" + exif(6),
    )
    extras += (b"acTL\0\0\0\1\0\0\0\0", b"tEXta\0b", b"zTXta\0\0" + zlib.compress(bytes(999)), b"sBIT\7")
    files += [grey_png(pixels, before=chunk(extra[:4], extra[4:])) for extra in extras]
    files.append(cv2.imencode(".png", np.dstack([pixels] * 3))[1].tobytes())
    return files


def _others() -> list[bytes]:
    random = np.random.default_rng(3)
    files = []
    for packing, (photometric, samples, bits) in itertools.product((1, 5, 8, 32773), ((1, 1, 8), (2, 3, 8), (0, 1, 1))):
        tiff = Tiff(photometric, samples, bits, packing)
        files.append(tiff_file(tiff, tiff_samples(tiff, 21, 37, random)))
    colours = random.integers(0, 256, (256, 3), np.uint8)
    bmps = (Bmp(8), Bmp(4, colours=9), Bmp(24, 12), Bmp(24), Bmp(32, 40, BITFIELDS, BGR_MASKS), Bmp(32, 124))
    files += [bmp_file(bmp, bmp_samples(bmp, 21, 37, random), colours) for bmp in bmps]
    smooth = cv2.resize(random.integers(0, 256, (3, 4, 4), np.uint8), (60, 44)).astype(np.uint8)
    files += [cv2.imencode(".webp", smooth, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes() for quality in (70, 101)]
    return files


def _jpegs() -> list[bytes]:
    random = np.random.default_rng(2)
    noise = random.integers(0, 256, (40, 56, 3), np.uint8)
    smooth = cv2.resize(random.integers(0, 256, (3, 4, 3), np.uint8), (90, 67)).astype(np.uint8)
    hows = ((), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 2), (cv2.IMWRITE_JPEG_OPTIMIZE, 1))
    files = [
        jpeg(pixels, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling, *how, cv2.IMWRITE_JPEG_QUALITY, quality)
        for sampling, how, (pixels, quality) in itertools.product(_SAMPLINGS, hows, ((noise, 60), (smooth, 95)))
    ]
    files += [jpeg(pixels[..., 0], *how) for how in hows for pixels in (noise, smooth, smooth[:1, :1], smooth[:, :9])]
    files += [rare_jpeg(60, 44, sampling) for sampling in _RARE]
    plain = jpeg(smooth)
    files.append(with_segment(plain, 0xE1, b"Exif\0\0" + exif(6) + plain))
    files.append(with_segment(plain, 0xEE, b"Adobe\0\x64\0\0\0\0\1"))
    files.append(plain[:2] + segment(0xDD, b"\0\3") + plain[2:])
    files.append(with_segment(plain, 0xE2, b"ICC_PROFILE\0\1\1" + bytes(200)))
    return files
