"""Damaged images where the setting `lenient` lets them in: decoded as far as they go, marked, and never OK."""

from __future__ import annotations

import zlib
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from tests.image_files.encoded import END, chunk, grey_png, ihdr, jpeg, png, rare_jpeg, rows, with_segment
from tests.support.running import serving, write_project
from workers.errors import FramemillError, ImageInvalid
from workers.gate import ImageLimits
from workers.pixels.encoded import decode_frame, decode_image
from workers.pixels.scratch import Scratch

STRICT = ImageLimits()
LENIENT = ImageLimits(lenient=True)
NOISE = np.random.default_rng(3).integers(0, 256, (40, 60), np.uint8)
COLOUR = np.random.default_rng(4).integers(0, 256, (40, 60, 3), np.uint8)
PNG = grey_png(NOISE)
JPEG = jpeg(COLOUR)


def lenient(file: bytes, scratch: Scratch | None = None) -> tuple[NDArray[np.uint8], str]:
    image, damage, _ = decode_frame(memoryview(file).toreadonly(), LENIENT, scratch)
    return image, damage


def strict_error(file: bytes) -> str:
    with pytest.raises(ImageInvalid) as refused:
        decode_frame(memoryview(file), STRICT)
    return refused.value.message


def test_a_sound_file_gives_the_same_pixels_and_no_mark() -> None:
    for file in (PNG, JPEG):
        image, damage = lenient(file)
        assert damage == ""
        np.testing.assert_array_equal(image, decode_image(memoryview(file), STRICT))


@pytest.mark.parametrize("row", [1, 20, 39])
def test_a_png_cut_off_keeps_its_pixels_up_to_there_and_is_black_behind(row: int) -> None:
    # stored, not compressed: where the file is cut is where its pixels end
    file = png(ihdr(60, 40), zlib.compress(rows(NOISE), 0))
    cut = file.index(rows(NOISE)[:61]) + 61 * row
    image, damage = lenient(file[:cut])
    assert damage == strict_error(file[:cut])
    np.testing.assert_array_equal(image[:row, :, 0], NOISE[:row])
    assert not image[row:].any()


def test_a_png_with_a_wrong_checksum_or_more_behind_it_keeps_all_its_pixels() -> None:
    wrong_crc = bytearray(PNG)
    wrong_crc[-14] ^= 1
    split = png(ihdr(60, 40), zlib.compress(rows(NOISE))[:500], after=chunk(b"tEXt", b"a\0b"))
    second_half = chunk(b"IDAT", zlib.compress(rows(NOISE))[500:])
    for file in (bytes(wrong_crc), PNG + PNG, PNG[:-12], split[:-12] + second_half + chunk(b"IEND")):
        image, damage = lenient(file)
        assert damage == strict_error(file)
        np.testing.assert_array_equal(image[..., 0], NOISE)


def test_a_png_row_with_a_filter_that_is_none_is_taken_as_it_is() -> None:
    stream = bytearray(rows(NOISE))
    stream[61 * 5] = 9
    image, damage = lenient(png(ihdr(60, 40), zlib.compress(stream)))
    assert "damaged" in damage
    np.testing.assert_array_equal(image[..., 0], NOISE)


def test_an_interlaced_png_is_mended_pass_by_pass() -> None:
    samples = np.full((9, 9), 77, np.uint8)
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    stream = b"".join(rows(samples[y::dy, x::dx]) for x, y, dx, dy in passes)
    image, damage = lenient(png(ihdr(9, 9, interlace=1), zlib.compress(stream[:-20])))
    assert damage
    assert (image[::2, ::2] == 77).all()
    assert not image[7, 1:].any()


def test_a_png_whose_palette_is_damaged_stays_refused() -> None:
    palette = chunk(b"PLTE", bytes(range(6)))
    for before in (palette[:-1] + b"x", b"", chunk(b"PLTE", bytes(5))):
        file = png(ihdr(8, 1, depth=1, colour=3), zlib.compress(b"\0\x55"), before)
        with pytest.raises(ImageInvalid):
            lenient(file)
    cut = png(ihdr(8, 2, depth=1, colour=3), zlib.compress(b"\0\x55"), palette)
    image, damage = lenient(cut)
    assert "too few" in damage or "end after" in damage
    assert image[0, 1].tolist() == [5, 4, 3]
    assert image[1, 1].tolist() == [2, 1, 0]


@pytest.mark.parametrize("damaged", [JPEG[:-2], JPEG[:-200], JPEG[:-400] + END, JPEG + JPEG])
def test_a_damaged_jpeg_gives_what_a_forgiving_decoder_gives(damaged: bytes) -> None:
    image, damage = lenient(damaged)
    assert damage == strict_error(damaged)
    np.testing.assert_array_equal(image, simplejpeg.decode_jpeg(damaged, "BGR", strict=False))


def test_a_damaged_jpeg_of_rare_sampling_stays_refused() -> None:
    with pytest.raises(ImageInvalid, match="truncated"):
        lenient(rare_jpeg(96, 64, ((4, 1), (2, 1), (1, 1)))[:-2])


def test_a_damaged_jpeg_of_too_many_scans_or_too_large_a_claim_stays_refused() -> None:
    marks = b"\xff\xda"  # in damaged data a decoder may take any of them for a scan
    assert lenient(with_segment(JPEG, 0xFE, marks * 63)[:-2])[1]
    for file in (with_segment(JPEG, 0xFE, marks * 64)[:-2], JPEG[:-2].replace(b"\0\x28\0\x3c", b"\x0f\xff\x0f\xff")):
        with pytest.raises(ImageInvalid):
            lenient(file)


def test_a_damaged_jpeg_shows_nothing_of_the_frame_before_it() -> None:
    scratch = Scratch()
    cut = JPEG[: len(JPEG) // 2]
    alone = lenient(cut)[0].copy()
    lenient(jpeg(255 - COLOUR), scratch)
    np.testing.assert_array_equal(lenient(cut, scratch)[0], alone)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([PNG, JPEG]), st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 255)), max_size=6))
def test_whatever_changes_a_file_is_refused_or_marked_or_harmless(file: bytes, changes: list[tuple[int, int]]) -> None:
    changed = bytearray(file)
    for at, by in changes:
        changed[at % len(file)] ^= by
    try:
        image, damage = lenient(bytes(changed))
    except FramemillError:
        return
    assert image.ndim == 3
    if not damage:
        np.testing.assert_array_equal(image, decode_image(memoryview(bytes(changed)), STRICT))


def test_hostile_files_are_marked_exactly_where_a_strict_decoder_would_refuse(shared_data: Path) -> None:
    """The oracle is simplejpeg, strict and forgiving; files that the gate does not support at all do not count."""
    agreed, asked, damaged = 0, 0, 0
    for path in sorted((shared_data / "hostile").iterdir()):
        file = path.read_bytes()
        if not file.startswith(b"\xff\xd8"):
            continue
        try:
            image, damage, notes = decode_frame(memoryview(file).toreadonly(), LENIENT)
            found = "damaged" if damage else "sound"
            if any("follow the end" not in note for note in notes):  # simplejpeg minds, and Pillow shows the same
                with Image.open(path) as read:
                    assert np.abs(np.asarray(read.convert("RGB"))[..., ::-1].astype(int) - image).max() <= 1
                continue
        except FramemillError as refusal:
            found = "refused"
            if refusal.code == "image_unsupported" or "than its" in refusal.message:
                continue
        damaged += found == "damaged"
        asked += 1
        agreed += found == oracle(file)
    print(f"{agreed} of {asked} JPEG files as the oracle says, {damaged} of them damaged and decoded")
    assert damaged > 10
    assert agreed >= 0.995 * asked


def oracle(file: bytes) -> str:
    for strict, word in ((True, "sound"), (False, "damaged")):
        try:
            height, width = simplejpeg.decode_jpeg_header(file)[:2]
            if int(height) * int(width) > 50_000_000:
                return "refused"
            simplejpeg.decode_jpeg(file, strict=strict)
        except ValueError:
            continue
        return word
    return "refused"


SEES = """
def main(context):
    context["saw"] = context.get("damaged", False)
    context["result"] = True
    context.pop("damaged", None)
"""


def test_a_damaged_frame_is_marked_and_never_ok(tmp_path: Path) -> None:
    toml = '[server]\nlenient = true\n[[flow]]\nmodule = "code"\nfile = "code/sees.py"\n'
    project = write_project(tmp_path / "lenient", toml, sees=SEES)
    with serving(project) as server, server.client() as client:
        sound = client.post("/analyze_image", content=PNG).json()
        assert (sound["saw"], sound["result"], sound["error"]) == (False, True, False)
        assert "damaged" not in sound
        for file in (PNG[:-40], JPEG[:-100]):
            answer = client.post("/analyze_image?response_type=image&context_in_body", content=file)
            assert answer.status_code == 200
            length = int(answer.headers["ImageLen"])
            context = httpx.Response(200, content=answer.content[length:]).json()
            assert context["damaged"] is context["saw"] is context["error"] is True
            assert context["result"] is False
            assert context["errors"][0]["type"] == "image_damaged"
            assert "truncated" in context["errors"][0]["message"]
            picture = cv2.imdecode(np.frombuffer(answer.content[:length], np.uint8), cv2.IMREAD_COLOR)
            np.testing.assert_array_equal(picture, lenient(file)[0])
        assert client.post("/analyze_image", content=b"BM" + bytes(60)).status_code == 415
        assert client.post("/analyze_image", content=PNG[:30]).status_code == 422
        client.put("/api/v1/process", json={"process": False})
        assert client.post("/analyze_image", content=PNG[:-40]).json()["imageShape"] == {"height": 40, "width": 60}
