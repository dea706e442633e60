"""Decoding: one written answer for each kind of image, compared with numpy and with Pillow."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.image_files.encoded import (
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
from tests.pixels.decoding import LIMITS, RANDOM, RARE, colourful, decode
from workers.gate import ImageLimits, inspect
from workers.mending.png_pixels import bounded
from workers.pixels.encoded import _COMMON_SAMPLINGS, _is_common

EVERYTHING = ImageLimits(formats=frozenset({"jpeg", "png", "bmp", "tiff", "webp"}))
DEPTHS = ((0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (4, 8), (4, 16), (6, 8), (6, 16))


def pillow_bgr(file: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image.convert("RGB"))[..., ::-1]


def scene(colour: int, depth: int) -> NDArray[np.uint16]:
    """Return (21, 37, samples) of random values."""
    return RANDOM.integers(0, 1 << depth, (21, 37, SAMPLES[colour]), np.uint16)


@pytest.mark.parametrize(("colour", "depth"), DEPTHS)
def test_png_pixels_are_those_stored(colour: int, depth: int) -> None:
    samples = scene(colour, depth)
    image = decode(png_of(samples, colour, depth))
    np.testing.assert_array_equal(image, expected_bgr(samples, colour, depth))
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous


@pytest.mark.parametrize(("colour", "depth"), DEPTHS)
def test_interlacing_changes_nothing(colour: int, depth: int) -> None:
    samples = scene(colour, depth)
    file = png_of(samples, colour, depth, interlaced=True)
    np.testing.assert_array_equal(decode(file), expected_bgr(samples, colour, depth))


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
@pytest.mark.parametrize("transparent", [False, True])
def test_a_palette_gives_its_colours_whatever_their_transparency(depth: int, transparent: bool) -> None:
    samples = scene(3, depth)
    palette = RANDOM.integers(0, 256, (1 << depth, 3), np.uint8)
    before = chunk(b"PLTE", palette.tobytes())
    if transparent:
        before += chunk(b"tRNS", RANDOM.bytes(1 << depth))
    file = png_of(samples, 3, depth, before)
    np.testing.assert_array_equal(decode(file), palette[samples[..., 0]][..., ::-1])
    if not transparent:
        np.testing.assert_array_equal(decode(file), pillow_bgr(file))


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"tRNS", bytes(6)),
        chunk(b"gAMA", struct.pack(">I", 100_000)),
        chunk(b"sBIT", b"\3\3\3"),
        chunk(b"bKGD", b"\0\1" * 3),
        chunk(b"iCCP", b"p\0\0" + zlib.compress(RANDOM.bytes(300))),
        chunk(b"eXIf", exif(6)),
    ],
    ids=lambda extra: extra[4:8].decode(),
)
def test_what_describes_a_png_does_not_change_its_pixels(extra: bytes) -> None:
    samples = scene(2, 8)
    samples[0] = 0  # the colour that tRNS names
    np.testing.assert_array_equal(decode(png_of(samples, 2, 8, extra)), expected_bgr(samples, 2, 8))


def test_an_animated_png_gives_its_still_image() -> None:
    frames = [Image.fromarray(RANDOM.integers(0, 256, (20, 30, 3), np.uint8)) for _ in range(3)]
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    assert b"fdAT" in file.getvalue()
    np.testing.assert_array_equal(decode(file.getvalue()), np.asarray(frames[0])[..., ::-1])


def test_real_frames_are_decoded_as_pillow_does(shared_data: Path) -> None:
    for name in ("pcb/00_test.jpg", "pcb/00_reference.png", "pekat/nok.png", "pekat/cat.jpg"):
        file = (shared_data / name).read_bytes()
        difference = np.abs(decode(file).astype(int) - pillow_bgr(file))
        assert difference.max() <= (1 if name.endswith("jpg") else 0), name


@pytest.mark.parametrize("how", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)])
@pytest.mark.parametrize("sampling", [0x111111, 0x211111, 0x221111, 0x411111, 0x121111])
def test_jpeg_of_any_usual_kind_is_decoded_as_pillow_does(sampling: int, how: tuple[int, ...]) -> None:
    file = jpeg(colourful(), cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling, *how)
    assert np.abs(decode(file).astype(int) - pillow_bgr(file)).max() <= 1


def test_grey_rgb_and_motion_jpeg_are_decoded() -> None:
    grey = jpeg(colourful()[..., 0])
    np.testing.assert_array_equal(decode(grey), pillow_bgr(grey))
    stored_as_rgb = io.BytesIO()
    Image.fromarray(colourful()[..., ::-1]).save(stored_as_rgb, "JPEG", keep_rgb=True, quality=95)
    assert np.abs(decode(stored_as_rgb.getvalue()).astype(int) - colourful()).mean() < 3
    # frames of a motion JPEG stream leave the standard Huffman tables out
    tables = [grey.index(b"\xff\xc4"), grey.index(b"\xff\xda")]
    np.testing.assert_array_equal(decode(grey[: tables[0]] + grey[tables[1] :]), decode(grey))


@pytest.mark.parametrize(
    "sampling", [RARE, ((1, 1), (2, 2), (1, 1)), ((2, 2), (1, 1), (2, 1)), ((4, 2), (1, 1), (1, 1))]
)
def test_rare_chroma_sampling_is_decoded_as_pillow_does(sampling: tuple[tuple[int, int], ...]) -> None:
    file = rare_jpeg(100, 60, sampling)
    assert np.abs(decode(file).astype(int) - pillow_bgr(file)).max() <= 1


def test_usual_and_rare_sampling_are_told_apart() -> None:
    factors = [(across, down) for across in range(1, 5) for down in range(1, 5)]
    common = [given for given in itertools.product(factors, repeat=3) if _is_common(given)]
    assert len(common) == len(_COMMON_SAMPLINGS) == 12
    for sampling in common:
        assert decode(rare_jpeg(48, 48, sampling)).shape == (48, 48, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_ignored_by_every_decoder(orientation: int) -> None:
    block = exif(orientation)
    for plain in (jpeg(colourful()), rare_jpeg(100, 60, RARE)):
        turned = with_segment(plain, 0xE1, b"Exif\0\0" + block)
        with Image.open(io.BytesIO(turned)) as image:
            assert image.getexif()[0x0112] == orientation
        np.testing.assert_array_equal(decode(turned), decode(plain))
    pixels = colourful()[..., 0]
    np.testing.assert_array_equal(decode(grey_png(pixels, chunk(b"eXIf", block)))[..., 0], pixels)


@pytest.mark.parametrize("ending", [".bmp", ".tiff", ".webp"])
def test_other_formats_keep_their_pixels(ending: str) -> None:
    lossless = (cv2.IMWRITE_WEBP_QUALITY, 101) if ending == ".webp" else ()
    for pixels in (colourful(), np.dstack([colourful(), colourful()[..., 0]])):
        file = cv2.imencode(ending, pixels, lossless)[1].tobytes()
        visible = decode(file, EVERYTHING)[pixels[..., -1] > 0]
        np.testing.assert_array_equal(visible, pixels[..., :3][pixels[..., -1] > 0])


def test_no_more_is_inflated_than_the_pixels_need() -> None:
    pixels = RANDOM.integers(0, 256, (600, 700), np.uint8)
    stream = zlib.compress(rows(pixels) + bytes(100_000_000), 1)
    file = png(ihdr(700, 600), stream)
    header = inspect(memoryview(file), LIMITS)
    rebuilt = bounded(memoryview(file), header.raw_bytes)
    assert 600 * 701 < len(rebuilt) < 600 * 701 + 1000
    np.testing.assert_array_equal(decode(file)[..., 0], pixels)


@pytest.mark.parametrize("colour", [0, 2, 3, 6])
def test_a_large_png_decodes_the_same_whether_its_pixels_are_rewritten_or_not(colour: int) -> None:
    samples = RANDOM.integers(0, 256, (500, 700, SAMPLES[colour]), np.uint16)
    palette = RANDOM.integers(0, 256, (256, 3), np.uint8)
    file = memoryview(png_of(samples, colour, 8, chunk(b"PLTE", palette.tobytes()) if colour == 3 else b""))
    assert bounded(file, inspect(file, LIMITS).raw_bytes) != file
    expected = palette[samples[..., 0]][..., ::-1] if colour == 3 else expected_bgr(samples, colour, 8)
    np.testing.assert_array_equal(decode(bytes(file)), expected)
