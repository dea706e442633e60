"""WebP: one still image of its container's size; damaged files are refused or hold what another reader finds."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from tests.image_files.kinds import COLOUR, Pixels
from tests.image_files.other_kinds import webp
from workers.errors import ImageInvalid, ImageTooLarge
from workers.gate import ImageLimits
from workers.pixels.encoded import decode_image

LIMITS = ImageLimits(formats=frozenset({"webp"}))
LOSSLESS, LOSSY = webp("RGB", lossless=True), webp("RGB", quality=80)
WITH_CANVAS = webp("RGB", lossless=True, icc_profile=b"profile")


def decoded(file: bytes) -> Pixels:
    return decode_image(memoryview(file).toreadonly(), LIMITS)


def by_pillow(file: bytes) -> Pixels:
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image.convert("RGB"))[..., ::-1]


def riff(*chunks: bytes) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def chunk(kind: bytes, payload: bytes) -> bytes:
    return kind + struct.pack("<I", len(payload)) + payload + bytes(len(payload) % 2)


@pytest.mark.parametrize("file", [LOSSLESS, LOSSY, WITH_CANVAS], ids=["lossless", "lossy", "canvas"])
def test_a_damaged_file_is_refused_or_holds_what_another_reader_finds(file: bytes) -> None:
    random = np.random.default_rng(31)
    for _ in range(150):
        flipped = bytearray(file)
        for at in random.integers(12, len(file), int(random.integers(1, 6))):
            flipped[at] ^= int(random.integers(1, 256))
        try:
            pixels = decoded(bytes(flipped))
        except (ImageInvalid, ImageTooLarge):
            continue
        assert np.array_equal(pixels, by_pillow(bytes(flipped)))


@pytest.mark.parametrize("file", [LOSSLESS, LOSSY, WITH_CANVAS], ids=["lossless", "lossy", "canvas"])
def test_a_file_cut_at_any_byte_is_refused(file: bytes) -> None:
    for cut in range(16, len(file)):
        with pytest.raises(ImageInvalid):
            decoded(file[:cut])


def test_one_image_of_the_size_of_the_canvas_is_expected() -> None:
    image = LOSSLESS[12:]
    canvas = chunk(b"VP8X", struct.pack("<B3xHBHB", 0, COLOUR.shape[1] - 1, 0, COLOUR.shape[0] - 1, 0))
    assert np.array_equal(decoded(riff(canvas, image, chunk(b"ABCD", b"odd"))), COLOUR)
    larger = chunk(b"VP8X", struct.pack("<B3xHBHB", 0, COLOUR.shape[1], 0, COLOUR.shape[0] - 1, 0))
    for file in (
        riff(larger, image),
        riff(image, canvas),
        riff(canvas, image, image),
        riff(canvas),
        riff(image, image),
    ):
        with pytest.raises(ImageInvalid, match=r"images of sizes|VP8X that is not its first"):
            decoded(file)


def test_only_zeros_may_follow_the_end() -> None:
    assert np.array_equal(decoded(LOSSLESS + bytes(100)), COLOUR)
    for behind in (b"x", LOSSLESS):
        with pytest.raises(ImageInvalid, match="follow the end of the WebP"):
            decoded(LOSSLESS + behind)
