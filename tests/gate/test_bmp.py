"""BMP, by schemes: whatever header, depth, masks and places: the stored pixels exactly, or a refusal that says why."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.image_files.bmp import (
    ALPHABITFIELDS,
    BGR_MASKS,
    BITFIELDS,
    JPEG,
    PNG,
    RGB,
    RLE4,
    RLE8,
    Bmp,
    bmp_file,
    expected_bgr,
    samples_for,
)
from tests.image_files.kinds import Pixels
from workers.errors import ImageInvalid, ImageTooLarge, ImageUnsupported
from workers.gate import ImageLimits
from workers.pixels.encoded import decode_image

LIMITS = ImageLimits(formats=frozenset({"bmp"}))
RANDOM = np.random.default_rng(21)
COLOURS = RANDOM.integers(0, 256, (256, 3), np.uint8)
HEADERS = (12, 40, 52, 56, 64, 108, 124)


def decoded(file: bytes) -> Pixels:
    return decode_image(memoryview(file).toreadonly(), LIMITS)


def by_pillow(file: bytes) -> Pixels:
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image.convert("RGB"))[..., ::-1]


def accepted() -> Iterator[Bmp]:
    for header, bits, top_down, gap in itertools.product(HEADERS, (1, 4, 8, 24, 32), (False, True), (0, 6)):
        if header == 12 and (top_down or bits == 32):
            continue
        for colours in {None, *((3,) if bits in {4, 8} and header != 12 else ())}:
            yield Bmp(bits, header, colours=colours, top_down=top_down, gap=gap)
        if bits == 32 and header != 64:
            yield Bmp(32, header, BITFIELDS, BGR_MASKS, top_down=top_down, gap=gap)
            if header >= 56:
                yield Bmp(32, header, BITFIELDS, (*BGR_MASKS, 0xFF000000), top_down=top_down, gap=gap)


def test_what_is_accepted_comes_as_it_is_stored() -> None:
    for bmp in accepted():
        samples = samples_for(bmp, 11, 37, RANDOM)
        file = bmp_file(bmp, samples, COLOURS)
        pixels = decoded(file)
        assert np.array_equal(pixels, expected_bgr(bmp, samples, COLOURS)), bmp
        assert np.array_equal(pixels, by_pillow(file)), bmp


ANY_BMP = st.builds(
    Bmp,
    bits=st.sampled_from((1, 2, 4, 8, 8, 16, 24, 24, 32, 32)),
    header_bytes=st.sampled_from((*HEADERS, 16, 41, 60)),
    compression=st.sampled_from((RGB, RGB, RGB, BITFIELDS, BITFIELDS, ALPHABITFIELDS, RLE8, RLE4, JPEG, PNG)),
    masks=st.sampled_from(
        (BGR_MASKS, (0xFF, 0xFF00, 0xFF0000), (0xF800, 0x7E0, 0x1F), (0x7C00, 0x3E0, 0x1F), (*BGR_MASKS, 0xFF000000))
    ),
    colours=st.sampled_from((None, 2, 200)),
    top_down=st.booleans(),
    offset=st.sampled_from((0, 0, 0, -4, -40, -2000, 4)),
    gap=st.sampled_from((0, 4)),
    behind=st.sampled_from((b"", b"", bytes(2), bytes(9), b"behind")),
    planes=st.sampled_from((1, 1, 1, 0, 2)),
    file_bytes=st.sampled_from((None, 0)),
)


@given(bmp=ANY_BMP, height=st.integers(1, 20), width=st.integers(1, 40))
@settings(max_examples=500, deadline=None)
def test_any_other_is_refused_or_comes_as_it_is_stored(bmp: Bmp, height: int, width: int) -> None:
    if bmp.header_bytes not in HEADERS:
        bmp = Bmp(24, bmp.header_bytes)
    if bmp.header_bytes == 12:  # which has no place for these
        bmp = replace(bmp, compression=RGB, top_down=False)
    samples = samples_for(bmp, height, width, np.random.default_rng(height * 64 + width))
    file = bmp_file(bmp, samples, COLOURS)
    try:
        pixels = decoded(file)
    except (ImageUnsupported, ImageInvalid, ImageTooLarge):
        return
    if bmp.offset == 0:
        assert np.array_equal(pixels, expected_bgr(bmp, samples, COLOURS))
    else:  # the file says that its pixels lie elsewhere, and another reader believes it
        assert np.array_equal(pixels, by_pillow(file))


ODD: dict[str, tuple[Bmp, type[Exception], str]] = {
    **{f"16 bits, header {n}": (Bmp(16, n), ImageUnsupported, "16 bits a pixel") for n in HEADERS},
    **{
        f"565, header {n}": (Bmp(16, n, BITFIELDS, (0xF800, 0x7E0, 0x1F)), ImageUnsupported, "16 bits a pixel")
        for n in HEADERS[1:]
    },
    **{
        f"RGB masks, header {n}": (Bmp(32, n, BITFIELDS, (0xFF, 0xFF00, 0xFF0000)), ImageUnsupported, "000000ff")
        for n in HEADERS[1:]
        if n != 64
    },
    "masks in a header of OS/2": (Bmp(32, 64, BITFIELDS, BGR_MASKS), ImageUnsupported, "compression 3"),
    "alpha masks of Windows CE": (Bmp(32, 56, ALPHABITFIELDS, BGR_MASKS), ImageUnsupported, "compression 6"),
    "RLE8": (Bmp(8, compression=RLE8), ImageUnsupported, "compression 1"),
    "RLE4": (Bmp(4, compression=RLE4), ImageUnsupported, "compression 2"),
    "a JPEG within": (Bmp(24, compression=JPEG), ImageUnsupported, "compression 4"),
    "2 bits": (Bmp(2), ImageUnsupported, "2 bits a pixel"),
    "two planes": (Bmp(24, planes=2), ImageUnsupported, "2 planes"),
    "an unknown header": (Bmp(24, 60), ImageUnsupported, "a header of 60 bytes"),
    "pixels within the palette": (Bmp(8, offset=-4), ImageInvalid, "pixels begin at byte 1074"),
    "pixels within the header": (Bmp(24, offset=-4), ImageInvalid, "pixels begin at byte 50"),
    "pixels within the masks": (Bmp(32, 40, BITFIELDS, BGR_MASKS, offset=-4), ImageInvalid, "pixels begin at byte 62"),
    "more colours than bits": (Bmp(4, colours=20), ImageInvalid, "20 colours"),
    "pixels behind the end": (Bmp(24, offset=4), ImageInvalid, "truncated"),
    "bytes behind the end": (Bmp(24, behind=b"x", file_bytes=0), ImageInvalid, "1 bytes follow"),
}


@pytest.mark.parametrize(("bmp", "error", "reason"), ODD.values(), ids=ODD.keys())
def test_what_is_odd_is_refused_and_says_why(bmp: Bmp, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        decoded(bmp_file(bmp, samples_for(bmp, 9, 13, RANDOM), COLOURS))


def test_a_pixel_whose_colour_the_palette_has_not_is_damage() -> None:
    for bits in (4, 8):
        bmp = Bmp(bits, colours=5)
        samples = samples_for(bmp, 9, 13, RANDOM)
        assert np.array_equal(decoded(bmp_file(bmp, samples, COLOURS)), COLOURS[samples])
        samples[4, 12] = 5
        with pytest.raises(ImageInvalid, match="pixels of colour 5, its palette has 5 colours"):
            decoded(bmp_file(bmp, samples, COLOURS))


def test_what_a_file_announces_or_pads_behind_its_pixels_is_passed_over() -> None:
    samples = samples_for(Bmp(24), 9, 13, RANDOM)
    for bmp in (Bmp(24, 124, behind=b"a profile"), Bmp(24, behind=bytes(9), file_bytes=0)):
        assert np.array_equal(decoded(bmp_file(bmp, samples, COLOURS)), expected_bgr(bmp, samples, COLOURS))


def test_a_bmp_cut_at_any_byte_is_refused() -> None:
    for bmp in (Bmp(24), Bmp(8), Bmp(32, 40, BITFIELDS, BGR_MASKS)):
        file = bmp_file(bmp, samples_for(bmp, 5, 7, RANDOM), COLOURS)
        for cut in range(2, len(file)):
            with pytest.raises(ImageInvalid):
                decoded(file[:cut])
