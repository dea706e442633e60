"""docs/images.md, row by row: a file of each kind gets the status that stands there, and the pixels."""

from __future__ import annotations

import re
import sys
from types import FrameType
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest

from service.errors import STATUS
from tests.image_files.encoded import jpeg
from tests.image_files.kinds import COLOUR, JPEG, KINDS, PNG, Pixels
from tests.image_files.other_kinds import OTHER_KINDS
from tests.support.running import CHECKOUT
from workers.errors import FramemillError
from workers.gate import ImageLimits
from workers.pixels.encoded import decode_frame

DEFAULT = ImageLimits().formats
TEXT = (CHECKOUT / "docs" / "images.md").read_text()


class Row(NamedTuple):
    """A row of the table."""

    kind: str
    status: str
    lenient: str
    pixels: str


def table() -> list[Row]:
    return [Row(*cells) for cells in rows() if len(cells) == 4]


def table_of_others() -> list[tuple[str, str]]:
    """Return kind and status of what is decoded only where `formats` names it."""
    return [(cells[0], cells[1]) for cells in rows() if len(cells) == 3]


def rows() -> list[list[str]]:
    return [re.split(r"\s*\|\s*", line)[1:-1] for line in TEXT.splitlines() if re.match(r"\| .* \| \d", line)]


def answer(file: bytes, *, lenient: bool, formats: frozenset[str] = DEFAULT) -> tuple[str, Pixels | None]:
    limits = ImageLimits(lenient=lenient, formats=formats)
    try:
        pixels, damage, notes = decode_frame(memoryview(file).toreadonly(), limits)
    except FramemillError as refusal:
        return str(STATUS[refusal.code]), None
    return "200 marked" if damage else "200 noted" if notes else "200", pixels


def test_the_table_and_the_files_below_name_the_same_kinds() -> None:
    assert [row.kind for row in table()] == list(KINDS)


@pytest.mark.parametrize("row", table(), ids=lambda row: row.kind)
def test_a_file_of_each_kind_gets_the_answer_of_the_table(row: Row) -> None:
    for case in KINDS[row.kind]():
        status, pixels = answer(case.file, lenient=False)
        assert status == row.status
        assert (pixels is None) == (not status.startswith("200"))
        status, lenient_pixels = answer(case.file, lenient=True)
        assert status == row.lenient
        for found, expected in ((pixels, case.pixels), (lenient_pixels, case.lenient)):
            if expected is not None:
                assert found is not None
                assert np.abs(found.astype(int) - expected).max() <= case.tolerance
        assert not row.status.startswith("200") or case.pixels is not None


def test_the_second_table_and_its_files_name_the_same_kinds() -> None:
    assert [kind for kind, _ in table_of_others()] == list(OTHER_KINDS)


@pytest.mark.parametrize(("kind", "status"), table_of_others())
def test_a_file_of_each_other_kind_gets_the_answer_of_the_table(kind: str, status: str) -> None:
    everything = DEFAULT | {"bmp", "tiff", "webp"}
    for case in OTHER_KINDS[kind]():
        for lenient in (False, True):
            found, pixels = answer(case.file, lenient=lenient, formats=everything)
            assert found == status
            assert (pixels is None) == (not status.startswith("200"))
            if pixels is not None:
                assert case.pixels is not None
                assert np.abs(pixels.astype(int) - case.pixels).max() <= case.tolerance
        assert answer(case.file, lenient=True)[0] == "415"


def called(file: bytes) -> set[str]:
    """Return the names of the functions in C that are called for a file."""
    names: set[str] = set()

    def note(_: FrameType, event: str, function: Any) -> None:
        if event == "c_call":
            names.add(function.__name__)

    sys.setprofile(note)
    try:
        answer(file, lenient=True)
    finally:
        sys.setprofile(None)
    return names


def test_no_decoder_is_called_for_a_format_that_is_off() -> None:
    assert {"decompress", "spng_decode_image_bytes"} <= called(PNG)
    for kind in ("BMP, TIFF or WebP", "any other format", "JPEG, CMYK or YCCK (Adobe marker)"):
        for case in KINDS[kind]():
            assert not called(case.file) & {"imdecode", "decode_jpeg", "decompress", "spng_decode_image_bytes"}


@pytest.mark.parametrize("file", [PNG, JPEG, jpeg(COLOUR, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)])
def test_a_file_cut_at_any_byte_is_refused_or_marked(file: bytes) -> None:
    for cut in range(1, len(file)):
        assert answer(file[:cut], lenient=False)[0] == "422"
        assert answer(file[:cut], lenient=True)[0] in {"422", "200 marked"}
