"""The table of raw pixel formats: names, byte counts, and the messages for what does not fit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from workers.errors import FrameSizeMismatch, InvalidParameter
from workers.pixels.pixel_format import FORMATS, Layout, Packing, check_length, format_of_length, pixel_format

ONE_SAMPLE = ("Mono", "BayerRG", "BayerGR", "BayerGB", "BayerBG")
DEPTHS = ("8", "10", "12", "16", "10p", "12p", "10Packed", "12Packed")


def test_the_table_holds_every_promised_format_under_its_pfnc_name() -> None:
    promised = {prefix + depth for prefix in ONE_SAMPLE for depth in DEPTHS} | {"RGB8", "BGR8", "BGRa8"}
    assert {known.name for known in FORMATS.values()} == promised
    assert all(FORMATS[name].name == name for name in promised)


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        FORMATS["Mono8"] = FORMATS["BGR8"]  # type: ignore[index]


def test_the_front_can_import_the_table_without_numpy_and_opencv() -> None:
    code = "import sys, workers.pixels.pixel_format; print(sorted({'numpy', 'cv2'} & set(sys.modules)))"
    checkout = Path(__file__).resolve().parents[2]
    loaded = subprocess.run([sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "layout", "bits", "packing"),
    [
        ("Mono8", Layout.GREY, 8, Packing.BYTES),
        ("Mono16", Layout.GREY, 16, Packing.WORDS_LE),
        ("BayerRG8", Layout.BAYER_RG, 8, Packing.BYTES),
        ("BayerGR10", Layout.BAYER_GR, 10, Packing.WORDS_LE),
        ("BayerGB12p", Layout.BAYER_GB, 12, Packing.LSB),
        ("BayerBG10Packed", Layout.BAYER_BG, 10, Packing.GIGE),
        ("RGB8", Layout.RGB, 8, Packing.BYTES),
    ],
)
def test_a_name_says_layout_bits_and_packing(name: str, layout: Layout, bits: int, packing: Packing) -> None:
    known = pixel_format(name)
    assert (known.name, known.layout, known.bits, known.packing) == (name, layout, bits, packing)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("bayerrg8", "BayerRG8"),
        ("MONO12PACKED", "Mono12Packed"),
        ("Mono12packed", "Mono12Packed"),
        ("mono10P", "Mono10p"),
        ("BGRA8", "BGRa8"),
        ("RGB8Packed", "RGB8"),
        ("BGR8Packed", "BGR8"),
        ("BGRA8Packed", "BGRa8"),
    ],
)
def test_other_spellings_that_sdks_use_find_the_pfnc_format(written: str, name: str) -> None:
    assert pixel_format(written).name == name


@pytest.mark.parametrize("unknown", ["BayerRG9", "Mono14", "YUV422_8", "", "1", "RGGB", "\x00", "Mono8 "])
def test_an_unknown_name_is_refused_and_the_message_lists_the_groups(unknown: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        pixel_format(unknown)
    assert repr(unknown) in refused.value.message
    for known in ("RGB8, BGR8, BGRa8", "Mono, BayerRG, BayerGR", "10p, 12p, 10Packed, 12Packed"):
        assert known in refused.value.message


def test_a_typing_error_is_answered_with_the_close_names() -> None:
    with pytest.raises(InvalidParameter, match=r"did you mean BayerRG12Packed or .*\? known are"):
        pixel_format("BayerRG12Paked")


@pytest.mark.parametrize(
    ("written", "meant"),
    [("RGGB", "BayerRG8"), ("grbg", "BayerGR8"), ("GBRG", "BayerGB8"), ("BGGR", "BayerBG8"), ("RG", "BayerRG8"),
     ("BayerGB", "BayerGB8"), ("bayer_rggb8", "BayerRG8"), ("bayer_bggr16", "BayerBG16"), ("SGRBG10", "BayerGR10"),
     ("GRAY8", "Mono8"), ("grey", "Mono8"), ("Mono", "Mono8"), ("Y16", "Mono16"), ("rgb24", "RGB8"), ("BGR", "BGR8"),
     ("bgra", "BGRa8")],
)  # fmt: skip
def test_what_others_call_a_format_is_answered_with_its_pfnc_name(written: str, meant: str) -> None:
    with pytest.raises(InvalidParameter, match=rf"did you mean {meant}\? known are"):
        pixel_format(written)


def test_a_very_long_name_gives_a_short_message() -> None:
    with pytest.raises(InvalidParameter) as refused:
        pixel_format("BayerRG" * 100_000)
    assert len(refused.value.message) < 400


@pytest.mark.parametrize(
    ("name", "width", "height", "expected_bytes"),
    [
        ("Mono8", 1920, 1024, 1_966_080),
        ("BGR8", 1920, 1024, 5_898_240),
        ("BGRa8", 1920, 1024, 7_864_320),
        ("BayerRG12", 1920, 1024, 3_932_160),
        ("Mono16", 3, 1, 6),
        ("BayerRG10p", 1920, 1024, 2_457_600),
        ("Mono10p", 1, 1, 2),
        ("Mono10p", 3, 1, 4),
        ("Mono10p", 4, 1, 5),
        ("Mono10p", 5, 5, 32),
        ("Mono12p", 1, 1, 2),
        ("Mono12p", 3, 3, 14),
        ("Mono10Packed", 1920, 1024, 2_949_120),
        ("Mono10Packed", 1, 1, 2),
        ("Mono12Packed", 2, 1, 3),
        ("Mono12Packed", 3, 3, 14),
    ],
)
def test_the_bytes_of_a_frame_are_its_bits_rounded_up_once(
    name: str, width: int, height: int, expected_bytes: int
) -> None:
    assert FORMATS[name].frame_bytes(width, height) == expected_bytes


@pytest.mark.parametrize(("channels", "name"), [(1, "Mono8"), (3, "BGR8"), (4, "BGRa8")])
def test_a_frame_without_a_format_is_known_by_its_length(channels: int, name: str) -> None:
    assert format_of_length(channels * 1920 * 1024, 1920, 1024).name == name
    assert format_of_length(channels, 1, 1).name == name


def test_a_length_that_fits_nothing_is_refused_with_all_three_that_would() -> None:
    with pytest.raises(FrameSizeMismatch) as refused:
        format_of_length(5_898_239, 1920, 1024)
    assert refused.value.message == (
        "expected 1966080 (grey), 5898240 (BGR) or 7864320 (BGRA) bytes for 1920x1024, got 5898239"
    )


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_one_byte_more_or_less_is_refused(name: str) -> None:
    known = FORMATS[name]
    right = known.frame_bytes(5, 7)
    check_length(known, right, 5, 7)
    for wrong in (0, right - 1, right + 1):
        with pytest.raises(FrameSizeMismatch, match=f"expected {right} bytes for 5x7 {known.name}, got {wrong}"):
            check_length(known, wrong, 5, 7)


@pytest.mark.parametrize(("width", "height"), [(0, 0), (0, 5), (5, 0), (-1, 5), (-2, -2)])
def test_a_frame_without_pixels_is_refused(width: int, height: int) -> None:
    length = max(0, width * height)
    with pytest.raises(FrameSizeMismatch, match=f"at least 1 pixel, got {width}x{height}"):
        check_length(FORMATS["Mono8"], length, width, height)
    with pytest.raises(FrameSizeMismatch, match=f"at least 1 pixel, got {width}x{height}"):
        format_of_length(length, width, height)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 9), (9, 1), (2, 2), (2, 9), (9, 2)])
@pytest.mark.parametrize("name", ["BayerRG8", "BayerGB12p"])
def test_a_bayer_frame_too_small_for_its_colours_is_refused(name: str, width: int, height: int) -> None:
    known = FORMATS[name]
    with pytest.raises(FrameSizeMismatch, match=f"{name} needs at least 3x3 pixels.*got {width}x{height}"):
        check_length(known, known.frame_bytes(width, height), width, height)
