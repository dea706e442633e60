"""A file of each kind that docs/images.md names, and what a flow is to see of it."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.image_files.encoded import (
    END,
    SAMPLES,
    chunk,
    exif,
    expected_bgr,
    grey_png,
    ihdr,
    jpeg,
    png,
    png_of,
    rare_jpeg,
    rows,
    with_segment,
)

Pixels = NDArray[np.uint8]
RANDOM = np.random.default_rng(13)
GREY = RANDOM.integers(0, 256, (30, 40), np.uint8)
COLOUR = cv2.resize(RANDOM.integers(0, 256, (4, 5, 3), np.uint8), (48, 40)).astype(np.uint8)
GREY_BGR = np.dstack([GREY] * 3)
PNG = grey_png(GREY)
JPEG = jpeg(COLOUR)


class Case(NamedTuple):
    """A file and what the flow is to see; `tolerance` is in grey values, `lenient` the pixels where that lets it in."""

    file: bytes
    pixels: Pixels | None = None
    tolerance: int = 0
    lenient: Pixels | None = None


def of_png(colour: int, *depths: int, before: bytes = b"", interlaced: bool = False) -> list[Case]:
    made = []
    for depth in depths:
        samples = RANDOM.integers(0, 1 << depth, (21, 37, SAMPLES[colour]), np.uint16)
        file = png_of(samples, colour, depth, before, interlaced=interlaced)
        made.append(Case(file, expected_bgr(samples, colour, depth)))
    return made


def of_palette(*, transparent: bool) -> list[Case]:
    made = []
    for depth in (1, 2, 4, 8):
        samples = RANDOM.integers(0, 1 << depth, (21, 37, 1), np.uint16)
        palette = RANDOM.integers(0, 256, (1 << depth, 3), np.uint8)
        before = chunk(b"PLTE", palette.tobytes()) + (chunk(b"tRNS", RANDOM.bytes(1 << depth)) if transparent else b"")
        made.append(Case(png_of(samples, 3, depth, before), palette[samples[..., 0]][..., ::-1]))
    return made


def with_chunks(*chunks: bytes) -> list[Case]:
    return [Case(grey_png(GREY, before=extra), GREY_BGR) for extra in chunks]


def interlaced() -> list[Case]:
    kinds = ((0, (1, 2, 4, 8, 16)), (2, (8, 16)), (4, (8, 16)), (6, (8, 16)))
    return [case for colour, depths in kinds for case in of_png(colour, *depths, interlaced=True)]


def animated() -> list[Case]:
    frames = [Image.fromarray(RANDOM.integers(0, 256, (20, 30, 3), np.uint8)) for _ in range(3)]
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    return [Case(file.getvalue(), np.asarray(frames[0])[..., ::-1])]


def by_pillow(file: bytes) -> Case:
    """A JPEG as Pillow's libjpeg-turbo decodes it, which may round otherwise than ours."""
    with Image.open(io.BytesIO(file)) as image:
        return Case(file, np.asarray(image.convert("RGB"))[..., ::-1], tolerance=1)


def colour_jpegs() -> list[Case]:
    usual = [jpeg(COLOUR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, f) for f in (0x111111, 0x211111, 0x221111, 0x411111)]
    return [by_pillow(file) for file in (*usual, RARE_JPEG)]


def of_pillow(mode: str, **options: bool) -> bytes:
    file = io.BytesIO()
    Image.fromarray(COLOUR[..., ::-1]).convert(mode).save(file, "JPEG", quality=95, **options)
    return file.getvalue()


def four_components() -> list[Case]:
    cmyk = of_pillow("CMYK")
    at = cmyk.index(b"Adobe") + 11
    return [Case(cmyk), Case(cmyk[:at] + b"\2" + cmyk[at + 1 :])]


def framed(marker: int, bits: int = 8) -> Case:
    at = JPEG.index(b"\xff\xc0")
    return Case(JPEG[: at + 1] + bytes((marker,)) + JPEG[at + 2 : at + 4] + bytes((bits,)) + JPEG[at + 5 :])


def motion_jpeg() -> Case:
    grey = jpeg(GREY)
    return Case(grey[: grey.index(b"\xff\xc4")] + grey[grey.index(b"\xff\xda") :], by_pillow(grey).pixels, 1)


def noted(sound: Case, *files: bytes) -> list[Case]:
    """Files that give the pixels of a sound one."""
    return [sound._replace(file=file) for file in files]


def of_several() -> bytes:
    """Make an MPO: its first image has an index of all of them, the others follow its end."""
    file = io.BytesIO()
    images = [Image.fromarray(np.roll(COLOUR, shift, 0)) for shift in range(3)]
    images[0].save(file, "MPO", save_all=True, append_images=images[1:])
    return file.getvalue()


def same_as(sound: Case, *files: bytes) -> list[Case]:
    """Files that are refused by default, and give the pixels of a sound one with `lenient`."""
    return [Case(file, tolerance=sound.tolerance, lenient=sound.pixels) for file in files]


def unlike(file: bytes) -> bytes:
    """Replace a byte within a PNG's pixels; its checksum stays."""
    at = file.index(b"IDAT") + 100
    return file[:at] + bytes((file[at] ^ 255,)) + file[at + 1 :]


def wrong_headers() -> list[Case]:
    palette = png(ihdr(8, 1, depth=1, colour=3), zlib.compress(b"\0\x55"), chunk(b"PLTE", bytes(6))[:-1] + b"x")
    return [Case(PNG[:20] + bytes((PNG[20] ^ 1,)) + PNG[21:]), Case(palette)]


def others() -> list[Case]:
    heads = [b"GIF89a", b"\0\0\0\x0cjP  \r\n\x87\n", b"\0\0\0\x20ftypavif", b"\0\0\0\x20ftypheic", b"P6\n9 9\n255\n"]
    heads += [
        b"v/1\x01",
        b"#?RADIANCE\n",
        b"<svg xmlns=",
        b"%PDF-1.7",
        b"PK\3\4",
        b"\x7fELF",
        b"8BPS",
        b"qoif",
        b"\xff\x0a",
    ]
    heads += [
        b"\0\0\1\0\1\0",
        b"MZ\x90",
        b"\x1f\x8b\x08",
        b"farbfeld",
        b"\x59\xa6\x6a\x95",
        b"DDS ",
        b"II+\0",
        b"II\xbc\1",
    ]
    heads += [b"\0\0\2\0\0\0", b"OggS", b"\x1aE\xdf\xa3", b"BPG\xfb", b"\xff\x4f\xff\x51", b"text, and no image"]
    return [Case(head + bytes(200)) for head in heads]


def encoded(ending: str) -> Case:
    return Case(cv2.imencode(ending, COLOUR)[1].tobytes())


SOUND_PNG, SOUND_JPEG = Case(PNG, GREY_BGR), by_pillow(JPEG)
RARE_JPEG = rare_jpeg(100, 60, ((4, 1), (2, 1), (1, 1)))  # not decoded by simplejpeg
TURNED = [with_segment(JPEG, 0xE1, b"Exif\0\0" + exif(way)) for way in range(1, 9)]
ICC = with_segment(JPEG, 0xE2, b"ICC_PROFILE\0\1\1" + bytes(200))
PROGRESSIVE = jpeg(COLOUR, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
KINDS: dict[str, Callable[[], list[Case]]] = {
    "PNG, grey, 8 bits": lambda: of_png(0, 8),
    "PNG, grey, 1, 2 or 4 bits": lambda: of_png(0, 1, 2, 4),
    "PNG, 16 bits": lambda: [*of_png(0, 16), *of_png(2, 16), *of_png(4, 16), *of_png(6, 16)],
    "PNG, RGB": lambda: of_png(2, 8),
    "PNG, grey with alpha": lambda: of_png(4, 8, 16),
    "PNG, RGBA": lambda: of_png(6, 8, 16),
    "PNG, palette of 1, 2, 4 or 8 bits": lambda: of_palette(transparent=False),
    "PNG, palette with transparency (tRNS)": lambda: of_palette(transparent=True),
    "PNG, transparent colour (tRNS)": lambda: [
        *with_chunks(chunk(b"tRNS", b"\0" + GREY[0, :1].tobytes())),
        *of_png(2, 8, before=chunk(b"tRNS", bytes(6))),
    ],
    "PNG, interlaced (Adam7)": interlaced,
    "PNG, gamma, sRGB or ICC profile": lambda: with_chunks(
        chunk(b"gAMA", b"\0\0\xb1\x8f"), chunk(b"sRGB", b"\0"), chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(400)))
    ),
    "PNG, EXIF orientation 1 to 8": lambda: with_chunks(*(chunk(b"eXIf", exif(way)) for way in range(1, 9))),
    "PNG, texts, also compressed ones": lambda: with_chunks(
        chunk(b"tEXt", b"a\0b"), chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**7))), chunk(b"iTXt", b"a\0\0\0\0\0b")
    ),
    "PNG, animated (APNG)": animated,
    "PNG, more data inflated than its pixels need": lambda: [
        Case(png(ihdr(40, 30), zlib.compress(rows(GREY) + bytes(10**6))), GREY_BGR)
    ],
    "PNG, zeros after its end": lambda: [Case(PNG + bytes(4096), GREY_BGR)],
    "PNG, other bytes after its end": lambda: noted(SOUND_PNG, PNG + b"PK\3\4", PNG + bytes(9) + b"x", PNG + PNG[:-1]),
    "PNG, two images": lambda: same_as(SOUND_PNG, PNG + grey_png(255 - GREY)),
    "PNG, truncated": lambda: [Case(PNG[: len(PNG) * part // 100]) for part in range(20, 100)],
    "PNG, a wrong checksum in its pixels": lambda: [
        Case(unlike(PNG)),
        *same_as(SOUND_PNG, PNG[:-14] + bytes((PNG[-14] ^ 1,)) + PNG[-13:]),
    ],
    "PNG, a wrong checksum in texts, profiles and the like": lambda: noted(
        SOUND_PNG,
        *(grey_png(GREY, before=chunk(kind, bytes(9))[:-1] + b"?") for kind in (b"tEXt", b"iCCP", b"gAMA", b"abCd")),
    ),
    "PNG, a wrong checksum in size or palette": wrong_headers,
    "PNG, of a size that its bytes cannot hold": lambda: [Case(png(ihdr(5000, 5000), zlib.compress(bytes(4000))))],
    "JPEG, grey": lambda: [by_pillow(jpeg(GREY))],
    "JPEG, colour, of any subsampling": colour_jpegs,
    "JPEG, progressive": lambda: [by_pillow(jpeg(COLOUR, cv2.IMWRITE_JPEG_PROGRESSIVE, 1))],
    "JPEG, RGB (Adobe marker)": lambda: [by_pillow(of_pillow("RGB", keep_rgb=True))],
    "JPEG, without Huffman tables (Motion JPEG)": lambda: [motion_jpeg()],
    "JPEG, EXIF orientation 1 to 8": lambda: [
        *(Case(file, SOUND_JPEG.pixels, 1) for file in TURNED),
        Case(with_segment(RARE_JPEG, 0xE1, b"Exif\0\0" + exif(6)), by_pillow(RARE_JPEG).pixels, 1),
    ],
    "JPEG, ICC profile, thumbnail or comment": lambda: [
        Case(file, SOUND_JPEG.pixels, 1)
        for file in (ICC, with_segment(JPEG, 0xE1, b"Exif\0\0" + jpeg(GREY)), with_segment(JPEG, 0xFE, b"comment"))
    ],
    "JPEG, zeros after its end": lambda: [Case(JPEG + bytes(4096), SOUND_JPEG.pixels, 1)],
    "JPEG, CMYK or YCCK (Adobe marker)": four_components,
    "JPEG, 12 bits": lambda: [framed(0xC1, bits=12)],
    "JPEG, arithmetic coding": lambda: [framed(0xC9), framed(0xCA)],
    "JPEG, lossless, hierarchical or JPEG-LS": lambda: [
        *(framed(marker) for marker in (0xC3, 0xC5, 0xC6, 0xC7, 0xC8, 0xF7)),
        Case(with_segment(JPEG, 0xF8, bytes(11))),
    ],
    "JPEG, other bytes after its end": lambda: noted(
        SOUND_JPEG, *(JPEG + behind for behind in (b"PK\3\4", bytes(9) + b"x", b"\r\n", END, JPEG[:-1], JPEG[2:]))
    ),
    "JPEG, further images that it announces (MPF)": lambda: [by_pillow(of_several())],
    "JPEG, a broken ICC profile": lambda: noted(
        SOUND_JPEG, *(with_segment(JPEG, 0xE2, b"ICC_PROFILE\0" + numbers + bytes(9)) for numbers in (b"\0\0", b"\1\2"))
    ),
    "JPEG, a version of JFIF that does not exist": lambda: noted(SOUND_JPEG, JPEG.replace(b"JFIF\0\1", b"JFIF\0\5")),
    "JPEG, sequential, coefficients in its scan header other than all": lambda: noted(
        SOUND_JPEG, *(JPEG.replace(b"\0\x3f\0", bytes(numbers)) for numbers in ((0, 0, 0), (1, 5, 0x12)))
    ),
    "JPEG, progressive, without its last scans": lambda: [
        Case(PROGRESSIVE[: PROGRESSIVE.rindex(b"\xff\xc4")] + END)
    ],
    "JPEG, two images": lambda: same_as(SOUND_JPEG, JPEG + jpeg(GREY)),
    "JPEG, truncated": lambda: [Case(JPEG[: len(JPEG) * part // 100]) for part in range(90, 100)],
    "JPEG, truncated, with an end put to it": lambda: [
        Case(JPEG[:cut] + END) for cut in range(len(JPEG) - 99, len(JPEG) - 3, 9)
    ],
    "JPEG, of a size that its bytes cannot hold": lambda: [
        Case(JPEG.replace(b"\x08\0\x28\0\x30", b"\x08\x1b\x58\x1b\x58"))
    ],
    "BMP, TIFF or WebP": lambda: [encoded(".bmp"), encoded(".tiff"), encoded(".webp")],
    "any other format": others,
}  # fmt: skip
