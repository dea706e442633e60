"""A file of each kind of BMP, TIFF and WebP that docs/images.md names, and what a flow is to see of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from tests.image_files.bmp import BGR_MASKS, BITFIELDS, RLE8, Bmp, bmp_file
from tests.image_files.bmp import expected_bgr as bgr_of_bmp
from tests.image_files.bmp import samples_for as samples_of_bmp
from tests.image_files.kinds import COLOUR, RANDOM, Case, by_pillow
from tests.image_files.tiff import (
    DEFLATE,
    LZW,
    MINISBLACK,
    MINISWHITE,
    NONE,
    OLD_DEFLATE,
    PACKBITS,
    PALETTE,
    RGB,
    SHORT,
    Tiff,
    samples_for,
    tiff_file,
)
from tests.image_files.tiff import expected_bgr as bgr_of_tiff

COLOURS = RANDOM.integers(0, 256, (256, 3), np.uint8)
_PACKINGS = (NONE, LZW, DEFLATE, OLD_DEFLATE, PACKBITS)


def of_tiff(*kinds: Tiff) -> list[Case]:
    made = []
    for tiff in kinds:
        samples = samples_for(tiff, 21, 37, RANDOM)
        made.append(Case(tiff_file(tiff, samples), bgr_of_tiff(tiff, samples)))
    return made


def odd(cases: list[Case]) -> list[Case]:
    return [Case(case.file) for case in cases]


def packed(photometric: int, samples: int, bits: int, extra: tuple[int, ...] = ()) -> list[Case]:
    return of_tiff(*(Tiff(photometric, samples, bits, packing, extra=extra) for packing in _PACKINGS))


def broken_tiff(compression: int) -> Case:
    """Make one with half of its pixels zeroed."""
    tiff = Tiff(RGB, 3, compression=compression, rows_per_strip=21)
    file = tiff_file(tiff, samples_for(tiff, 21, 37, RANDOM))
    half = (len(file) - file.index(b"\0\0\0\0", 100)) // 2
    return Case(file[:-half] + bytes(half))


def with_fields(**fields: int) -> list[Case]:
    return odd(of_tiff(*(Tiff(fields={int(tag[1:]): (SHORT, (value,))}) for tag, value in fields.items())))


def of_bmp(*kinds: Bmp) -> list[Case]:
    made = []
    for bmp in kinds:
        samples = samples_of_bmp(bmp, 21, 37, RANDOM)
        made.append(Case(bmp_file(bmp, samples, COLOURS), bgr_of_bmp(bmp, samples, COLOURS)))
    return made


def webp(mode: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(COLOUR[..., ::-1]).convert(mode).save(file, "WEBP", **options)
    return file.getvalue()


def turned_webp() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return webp("RGB", lossless=True, exif=exif)


def animated_webp() -> bytes:
    return webp("RGB", save_all=True, append_images=[Image.fromarray(255 - COLOUR)])


def cut(*cases: Case) -> list[Case]:
    return [Case(case.file[: len(case.file) * part // 100]) for case in cases for part in (30, 60, 90, 99)]


OTHER_KINDS: dict[str, Callable[[], list[Case]]] = {
    "BMP, palette of 1, 4 or 8 bits": lambda: of_bmp(Bmp(1), Bmp(4), Bmp(8), Bmp(8, colours=9), Bmp(4, 124)),
    "BMP, 24 bits, or 32 with colours in the order BGR": lambda: of_bmp(
        Bmp(24), Bmp(32), Bmp(32, 40, BITFIELDS, BGR_MASKS), Bmp(32, 124, BITFIELDS, (*BGR_MASKS, 0xFF000000))
    ),
    "BMP, first row on top, header of OS/2, pixels further behind": lambda: of_bmp(
        Bmp(24, top_down=True), Bmp(24, 12), Bmp(8, 12), Bmp(24, 64), Bmp(24, gap=70)
    ),
    "BMP, 16 bits": lambda: odd(of_bmp(Bmp(16), Bmp(16, 108), Bmp(16, 40, BITFIELDS, (0xF800, 0x7E0, 0x1F)))),
    "BMP, 32 bits, colours in another order": lambda: odd(
        of_bmp(*(Bmp(32, header, BITFIELDS, (0xFF, 0xFF00, 0xFF0000)) for header in (40, 52, 56, 108, 124)))
    ),
    "BMP, run lengths, or a JPEG or PNG within": lambda: odd(of_bmp(Bmp(8, 40, RLE8), Bmp(24, 40, 4), Bmp(24, 40, 5))),
    "BMP, pixels within header or palette": lambda: odd(of_bmp(Bmp(8, offset=-4), Bmp(24, offset=-4))),
    "BMP, a pixel whose colour the palette has not": lambda: [
        Case(bmp_file(Bmp(8, colours=5), np.full((9, 9), 5, np.uint32), COLOURS))
    ],
    "BMP, truncated": lambda: cut(*of_bmp(Bmp(24), Bmp(8))),
    "TIFF, grey, 8 bits": lambda: [*packed(MINISBLACK, 1, 8), *of_tiff(Tiff(order=">"), Tiff(orientation=1))],
    "TIFF, grey, 1 bit": lambda: packed(MINISBLACK, 1, 1),
    "TIFF, grey, 16 bits": lambda: [*packed(MINISBLACK, 1, 16), *of_tiff(Tiff(bits=16, order=">"))],
    "TIFF, white stored as 0": lambda: [case for bits in (1, 8, 16) for case in packed(MINISWHITE, 1, bits)],
    "TIFF, RGB, 8 bits": lambda: packed(RGB, 3, 8),
    "TIFF, RGB with a fourth sample": lambda: [*packed(RGB, 4, 8), *packed(RGB, 4, 8, (0,)), *packed(RGB, 4, 8, (1,))],
    "TIFF, differences (predictor 2)": lambda: of_tiff(
        *(Tiff(RGB, 3, 8, packing, predictor=2) for packing in (LZW, DEFLATE)), Tiff(1, 1, 16, LZW, predictor=2)
    ),
    "TIFF, orientation 2 to 8": lambda: odd(of_tiff(*(Tiff(orientation=way) for way in range(2, 9)))),
    "TIFF, alpha by which colours are not multiplied": lambda: odd(packed(RGB, 4, 8, (2,))),
    "TIFF, several pages": lambda: odd(of_tiff(Tiff(pages=2), Tiff(RGB, 3, pages=3))),
    "TIFF, 2 or 4 bits, RGB of 16 bits, floats, signs": lambda: [
        *odd(of_tiff(Tiff(bits=2), Tiff(bits=4), Tiff(RGB, 3, 16))),
        *with_fields(t258=32, t339=2),
        *with_fields(t339=3),
    ],
    "TIFF, palette, CMYK, YCbCr or Lab": lambda: odd(of_tiff(Tiff(PALETTE), Tiff(5, 4), Tiff(6, 3), Tiff(8, 3))),
    "TIFF, tiles, or a plane for each colour": lambda: odd(of_tiff(Tiff(tile=(16, 16)), Tiff(RGB, 3, planar=2))),
    "TIFF, fax, JPEG, LZMA, Zstandard or WebP within": lambda: odd(
        of_tiff(*(Tiff(compression=packing) for packing in (2, 3, 4, 6, 7, 34925, 50000, 50001)))
    ),
    "TIFF, truncated": lambda: cut(*of_tiff(Tiff(), Tiff(RGB, 3, compression=LZW))),
    "TIFF, half of a packed strip zeroed": lambda: [broken_tiff(packing) for packing in (LZW, DEFLATE, PACKBITS)],
    "WebP, lossless, also with alpha": lambda: [
        Case(webp("RGB", lossless=True), COLOUR),
        Case(webp("RGBA", lossless=True), COLOUR),
    ],
    "WebP, lossy": lambda: [by_pillow(webp("RGB", quality=80))._replace(tolerance=0)],
    "WebP, EXIF orientation": lambda: [Case(turned_webp(), COLOUR)],
    "WebP, animated": lambda: [Case(animated_webp())],
    "WebP, truncated": lambda: cut(Case(webp("RGB", lossless=True)), Case(webp("RGB", quality=80))),
}
