"""TIFF, by schemes: whatever a file says of itself, its stored pixels come out exactly, or it is refused, with why.

The second readers are tifffile, and Pillow with a libtiff of its own where tifffile does not know the packing.
"""

from __future__ import annotations

import io
import itertools
import os
import struct
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.gate.decoded_tiff import decoded
from tests.image_files.kinds import Pixels
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
    expected_bgr,
    samples_for,
    tiff_file,
)
from workers.errors import ImageInvalid, ImageUnsupported
from workers.pixels.decoder_warnings import words_of_decoders

PACKINGS = (NONE, LZW, DEFLATE, OLD_DEFLATE, PACKBITS)
LAYOUTS = [(grey, 1, bits) for grey in (MINISWHITE, MINISBLACK) for bits in (1, 8, 16)] + [(RGB, 3, 8), (RGB, 4, 8)]


def by_another_reader(file: bytes, tiff: Tiff, shape: tuple[int, ...]) -> Pixels:
    """Read the samples with tifffile, or with Pillow what is LZW; they become pixels by the same written rule."""
    if tiff.compression != LZW:
        return expected_bgr(tiff, tifffile.imread(io.BytesIO(file)).reshape(shape).astype(np.uint16))
    with Image.open(io.BytesIO(file)) as image:
        samples = np.asarray(image).reshape(*shape[:2], -1).astype(np.uint16)  # without a sample of no kind
    turned = tiff.photometric == MINISWHITE  # which Pillow has done
    return expected_bgr(tiff, (1 << tiff.bits) - 1 - samples if turned else samples)


def accepted() -> Iterator[Tiff]:
    for compression, (photometric, samples, bits), order in itertools.product(PACKINGS, LAYOUTS, ("<", ">")):
        for predictor, rows, extra in itertools.product((1, 2), (7, 100), (None, 0, 1) if samples == 4 else (None,)):
            if predictor == 2 and (bits == 1 or compression in {NONE, PACKBITS}):
                continue
            extras = () if extra is None else (extra,)
            yield Tiff(photometric, samples, bits, compression, rows, predictor, 1, extras, order=order)  # type: ignore[arg-type]


def test_what_is_accepted_comes_as_it_is_stored() -> None:
    random = np.random.default_rng(1)
    for tiff in accepted():
        samples = samples_for(tiff, 37, 53, random)
        file = tiff_file(tiff, samples)
        pixels = decoded(file)
        assert np.array_equal(pixels, expected_bgr(tiff, samples)), tiff
        # Pillow does not turn the one, and divides the colours of the other by their alpha
        if tiff.compression != LZW or ((tiff.bits, tiff.photometric) != (16, MINISWHITE) and tiff.extra != (1,)):
            assert np.array_equal(pixels, by_another_reader(file, tiff, samples.shape)), tiff


ANY_TIFF = st.builds(
    Tiff,
    photometric=st.sampled_from((MINISWHITE, MINISBLACK, RGB, RGB, PALETTE, 5, 6, 8)),
    samples=st.integers(1, 5),
    bits=st.sampled_from((1, 2, 4, 8, 8, 8, 16)),
    compression=st.sampled_from((*PACKINGS, 2, 3, 4, 6, 7, 34712, 34925, 50000, 50001)),
    rows_per_strip=st.integers(1, 40),
    predictor=st.sampled_from((1, 1, 2, 3)),
    orientation=st.one_of(st.none(), st.integers(1, 9)),
    extra=st.lists(st.integers(0, 3), max_size=2).map(tuple),
    planar=st.sampled_from((1, 1, 2)),
    order=st.sampled_from("<>"),
    tile=st.sampled_from((None, None, None, (16, 16), (32, 16))),
    pages=st.sampled_from((1, 1, 1, 2)),
    fields=st.dictionaries(
        st.sampled_from(
            (254, 255, 266, 269, 280, 281, 291, 301, 305, 330, 339, 340, 342, 532, 32995, 32996, 32997, 65000)
        ),
        st.tuples(st.just(SHORT), st.tuples(st.integers(0, 3))),
        max_size=2,
    ),
)


@given(tiff=ANY_TIFF, height=st.integers(1, 40), width=st.integers(1, 40))
@settings(max_examples=400, deadline=None)
def test_any_other_is_refused_or_comes_as_it_is_stored(tiff: Tiff, height: int, width: int) -> None:
    samples = samples_for(tiff, height, width, np.random.default_rng(height * 64 + width))
    try:
        pixels = decoded(tiff_file(tiff, samples))
    except ImageUnsupported:
        return
    except ImageInvalid:  # there are fewer samples than fields say, or none of the kind that they name
        assert tiff.extra or tiff.fields
        return
    assert np.array_equal(pixels, expected_bgr(tiff, samples))


ODD: dict[str, tuple[Tiff, str]] = {
    **{f"orientation {way}": (Tiff(orientation=way), "orientation") for way in range(2, 10)},
    "unassociated alpha": (Tiff(RGB, 4, extra=(2,)), "alpha"),
    "alpha of no known kind": (Tiff(RGB, 4, extra=(3,)), "alpha"),
    "grey with alpha": (Tiff(samples=2, extra=(1,)), "2 samples"),
    "planes": (Tiff(RGB, 3, planar=2), "plane of its own"),
    "palette": (Tiff(PALETTE), "photometric 3"),
    "2 bits": (Tiff(bits=2), "2 bits"),
    "4 bits": (Tiff(bits=4), "4 bits"),
    "RGB of 16 bits": (Tiff(RGB, 3, 16), "16 bits"),
    "CMYK": (Tiff(5, 4), "photometric 5"),
    "YCbCr": (Tiff(6, 3), "photometric 6"),
    "Lab": (Tiff(8, 3), "photometric 8"),
    "tiles": (Tiff(tile=(16, 16)), "tiles"),
    "two pages": (Tiff(pages=2), "more than one page"),
    "a mask": (Tiff(fields={254: (SHORT, (4,))}), "mask"),
    "lowest bit first": (Tiff(bits=1, fields={266: (SHORT, (2,))}), "lowest bit"),
    "signed": (Tiff(fields={339: (SHORT, (2,))}), "sign"),
    "float predictor": (Tiff(compression=DEFLATE, predictor=3), "predictor 3"),
    **{f"compression {n}": (Tiff(compression=n), f"compression {n}") for n in (2, 3, 4, 6, 7, 34712, 34925, 50000)},
}


@pytest.mark.parametrize(("tiff", "reason"), ODD.values(), ids=ODD.keys())
def test_what_is_odd_is_not_supported_and_says_why(tiff: Tiff, reason: str) -> None:
    with pytest.raises(ImageUnsupported, match=reason):
        decoded(tiff_file(tiff, samples_for(tiff, 20, 30, np.random.default_rng(2))))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "i2", "i4", "u4", "u8"])
def test_samples_that_are_no_8_bits_are_not_called_damaged(dtype: str) -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, np.ones((20, 30), dtype))
    with pytest.raises(ImageUnsupported):
        decoded(file.getvalue())


def test_fields_that_say_nothing_about_pixels_are_passed_over() -> None:
    tiff = Tiff(fields={305: (2, (0x41414141,)), 65000: (SHORT, (7,)), 282: (SHORT, (1,)), 37510: (7, (1, 2, 3))})
    samples = samples_for(tiff, 20, 30, np.random.default_rng(3))
    assert np.array_equal(decoded(tiff_file(tiff, samples)), expected_bgr(tiff, samples))


def damaged(file: bytes, tiff: Tiff, random: np.random.Generator) -> Iterator[bytes]:
    """Yield the file with half a strip zeroed, with bytes flipped, with a strip's length halved, and cut."""
    with tifffile.TiffFile(io.BytesIO(file)) as read:
        page = read.pages[0]
        places = list(zip(page.dataoffsets, page.databytecounts, strict=True))
        lengths_at = page.tags[279].valueoffset  # type: ignore[union-attr]
    start, size = places[len(places) // 2]
    yield file[: start + size // 2] + bytes(size - size // 2) + file[start + size :]
    for _ in range(12):
        flipped = bytearray(file)
        for at in random.integers(places[0][0], len(file), int(random.integers(1, 8))):
            flipped[at] ^= int(random.integers(1, 256))
        yield bytes(flipped)
    halved = bytearray(file)
    struct.pack_into(f"{tiff.order}I", halved, lengths_at, places[0][1] // 2)
    yield bytes(halved)
    yield file[: len(file) - size // 2]
    yield file[: len(file) - 1]


@pytest.mark.parametrize("compression", PACKINGS)
@pytest.mark.parametrize(("photometric", "samples", "bits"), [(MINISBLACK, 1, 8), (RGB, 3, 8), (MINISBLACK, 1, 16)])
def test_a_damaged_file_is_refused_or_holds_what_another_reader_finds(
    compression: int, photometric: int, samples: int, bits: int, capfd: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(4)
    tiff = Tiff(photometric, samples, bits, compression, rows_per_strip=10)
    noise = samples_for(tiff, 35, 40, random)
    noise[5:30] = noise[5:30] // 64 * 64
    refused = 0
    for file in damaged(tiff_file(tiff, noise), tiff, random):
        try:
            pixels = decoded(file)
        except ImageInvalid:
            refused += 1
            continue
        assert np.array_equal(pixels, by_another_reader(file, tiff, noise.shape))
    # of 16 files: without a packing only a wrong length can be seen, with deflate's checksums all
    assert refused >= {NONE: 3, PACKBITS: 3, LZW: 8, DEFLATE: 16, OLD_DEFLATE: 16}[compression]
    assert refused == 3 or compression != NONE
    assert "grfmt" not in capfd.readouterr().err  # nothing of it reaches the log


def test_what_the_decoder_says_counts_whatever_the_environment_or_user_code_wants(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("workers.pixels.encoded.plain_tiff", bytes)  # which finds this damage before the decoder does
    tiff = Tiff(RGB, 3, 8, LZW)
    file = tiff_file(tiff, samples_for(tiff, 40, 40, np.random.default_rng(5)))
    broken = file[:-300] + b"\xff" * 97 + file[-203:]
    before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        with pytest.raises(ImageInvalid, match="TIFF is damaged: grfmt_tiff"):
            decoded(broken)
        assert cv2.utils.logging.getLogLevel() == cv2.utils.logging.LOG_LEVEL_SILENT
    finally:
        cv2.utils.logging.setLogLevel(before)


def test_lines_of_others_are_passed_on_while_decoders_are_listened_to(capfd: pytest.CaptureFixture[str]) -> None:
    with words_of_decoders() as words:
        os.write(
            2, b"one line\n[ WARN:0@0.1] global grfmt_tiff.cpp:1 TIFF_Warning bad\n> more of it\n\n> still\nanother\n"
        )
        os.write(2, b"[ WARN:0@0.1] global cap.cpp:1 a camera\n> its line\n")
    assert words == [b"grfmt_tiff.cpp:1 TIFF_Warning bad"]
    assert capfd.readouterr().err == "one line\nanother\n[ WARN:0@0.1] global cap.cpp:1 a camera\n> its line\n"
