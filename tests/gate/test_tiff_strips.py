"""TIFF, by its strips: what does not fit the directory, or unpacks to other than what its rows need, is refused."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from tests.gate.decoded_tiff import decoded
from tests.image_files.tiff import DEFLATE, LZW, PACKBITS, SHORT, Samples, Tiff, lzw, samples_for, tiff_file
from workers.errors import ImageInvalid, ImageTooLarge
from workers.gate.lzw import unpacked_bytes

SMALL = Tiff(compression=DEFLATE)
SMALL_SAMPLES: Samples = samples_for(SMALL, 21, 30, np.random.default_rng(6))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({278: (SHORT, (0,))}, "where its strips lie"),
        ({278: (SHORT, (5,))}, "21 rows by 5 need 5"),
        ({279: (SHORT, (10,))}, "as many lengths"),
        ({273: (3, (60000,) * 3)}, "behind the end"),
        ({273: (3, (1,) * 3)}, "behind the end"),
        ({256: (SHORT, (31,))}, "strip 0 is damaged: inflates to 210 bytes"),
        ({256: (SHORT, (29,))}, "strip 0 is damaged: inflates to at least 204"),
        ({257: (SHORT, (20,))}, "strip 2 is damaged"),
        ({338: (SHORT, (0,))}, "extra samples"),
        ({256: (2, (48,))}, "wrong type"),
    ],
)
def test_a_directory_that_does_not_fit_its_strips_is_damaged(
    fields: dict[int, tuple[int, tuple[int, ...]]], reason: str
) -> None:
    file = tiff_file(Tiff(compression=DEFLATE, fields=fields), SMALL_SAMPLES)
    with pytest.raises(ImageInvalid, match=reason):
        decoded(file)


def test_more_pixels_than_a_strip_can_hold_are_not_allocated() -> None:
    tiff = Tiff(compression=LZW, fields={256: (SHORT, (7000,)), 257: (SHORT, (7000,)), 278: (SHORT, (7000,))})
    with pytest.raises(ImageTooLarge, match="more than its strip 0 can hold"):
        decoded(tiff_file(tiff, samples_for(tiff, 5, 5, np.random.default_rng(7))))


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (b"\xd2\x07", "unpacks to 47"),  # a run of 47 for 49
        (b"\xd0\x07\xff", "unpacks to"),  # a run whose byte is gone
        (b"\x80" * 9, "unpacks to 0"),
        (b"\xd0\x07\x05\x05\x05", "unpacks to 49 bytes from 5"),
    ],
)
def test_packbits_that_make_more_or_fewer_bytes_are_damaged(packed: bytes, reason: str) -> None:
    with pytest.raises(ImageInvalid, match=reason):
        decoded(with_strip(PACKBITS, packed))
    assert (decoded(with_strip(PACKBITS, b"\xd0\x07\0")) == 7).all()  # a zero makes the length even


@pytest.mark.parametrize("size", [0, 1, 255, 256, 3000, 3836, 3837, 3838, 3839, 5000, 40_000])
def test_lzw_codes_are_counted_as_what_they_unpack_to(size: int) -> None:
    random = np.random.default_rng(size)
    for data in (bytes(size), random.bytes(size), random.integers(0, 2, size, np.uint8).tobytes()):
        assert unpacked_bytes(memoryview(lzw(data)), 40)[0] == size


def test_lzw_of_another_writer_is_read() -> None:
    pixels = np.random.default_rng(8).integers(0, 9, (200, 300, 3), np.uint8)
    for predictor in (1, 2):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "TIFF", compression="tiff_lzw", tiffinfo={317: predictor})
        assert np.array_equal(decoded(file.getvalue())[..., ::-1], pixels)


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (b"\x80", "no code for the end"),
        (lzw(bytes(50))[:-1], "no code for the end"),
        (lzw(bytes(48)), "unpacks to 48 bytes, its rows have 49"),
        (lzw(bytes(50)), "unpacks to 50 bytes, its rows have 49"),
        (b"\x80\x40\xa0\x20", "not in its table yet"),  # clear, 258, end
    ],
)
def test_lzw_that_makes_more_or_fewer_bytes_is_damaged(packed: bytes, reason: str) -> None:
    with pytest.raises(ImageInvalid, match=reason):
        decoded(with_strip(LZW, packed))


def test_lzw_of_very_many_tables_is_not_walked_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.mending.plain_tiff._MOST_TABLES", 100)
    clears = b"\x80\x40\x20\x10\x08\x04\x02\x01\x00"  # eight
    with pytest.raises(ImageInvalid, match="clears its table too often"):
        decoded(with_strip(LZW, clears * 99))


def with_strip(compression: int, packed: bytes) -> bytes:
    """Make a TIFF of 7 x 7 grey pixels with one strip, which is `packed`."""
    file = tiff_file(Tiff(), np.zeros((7, 7, 1), np.uint16))[:-49]
    file = file.replace(struct.pack("<HHII", 259, 3, 1, 1), struct.pack("<HHII", 259, 3, 1, compression))
    return file.replace(struct.pack("<HHII", 279, 4, 1, 49), struct.pack("<HHII", 279, 4, 1, len(packed))) + packed
