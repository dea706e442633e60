"""What is odd about a file and changes no pixel: let in, noted, and kept from decoders; what can change one is refused.

Pillow is the second reader: it must show the same pixels for whatever is let in.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.image_files.encoded import END, chunk, grey_png, jpeg, with_segment
from tests.image_files.kinds import COLOUR, GREY, JPEG, PNG, PROGRESSIVE, RARE_JPEG, Pixels, of_several
from tests.support.running import Server, serving, write_project
from workers.errors import ImageInvalid
from workers.gate import ImageLimits, inspect
from workers.pixels.encoded import Decoded, decode_frame
from workers.pixels.frame_form import FrameForm

LIMITS = ImageLimits()
SEVERAL = of_several()
BOUNDARY = b"\r\n--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 48213\r\n\r\n"


def decoded(file: bytes, form: FrameForm | None = None) -> Decoded:
    given = (LIMITS, None, form) if form else (LIMITS,)
    return decode_frame(memoryview(file).toreadonly(), *given)


def by_pillow(file: bytes) -> Pixels:
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image.convert("RGB"))[..., ::-1]


def refusal(file: bytes) -> str:
    with pytest.raises(ImageInvalid) as refused:
        decoded(file)
    return refused.value.message


BEHIND = {
    "a line's end": b"\r\n",
    "an end twice": END,
    "a boundary": BOUNDARY,
    "zeros and text": bytes(700) + b"text",
    "what an older frame left": JPEG[len(JPEG) // 2 :],
    "a half second image": BOUNDARY + JPEG[: len(JPEG) // 2],
    "starts of images without one": b"\xff\xd8\xff" * 20 + PNG[:40],
    "a phone's trailer": b"\0\0\1\x0aSEFH" + bytes(range(256)) * 40 + b"SEFT",
}


@pytest.mark.parametrize("behind", BEHIND.values(), ids=BEHIND.keys())
@pytest.mark.parametrize("file", [JPEG, PROGRESSIVE, RARE_JPEG, PNG], ids=["jpeg", "progressive", "rare", "png"])
def test_bytes_behind_the_end_are_noted_and_change_nothing(file: bytes, behind: bytes) -> None:
    image, damage, notes = decoded(file + behind)
    assert (notes, damage) == (
        (f"{len(behind)} bytes follow the end of the {_kind(file)} at byte {len(file)}; they are ignored",),
        "",
    )
    assert np.array_equal(image, decoded(file).image)
    assert np.abs(image.astype(int) - by_pillow(file + behind)).max() <= 1


def _kind(file: bytes) -> str:
    return "PNG" if file.startswith(b"\x89") else "JPEG"


@given(st.binary(min_size=1, max_size=300))
@settings(max_examples=150, deadline=None)
def test_any_bytes_behind_the_end_change_nothing(behind: bytes) -> None:
    for file in (JPEG, PNG):
        image, damage, notes = decoded(file + behind)
        assert len(notes) == any(behind)
        assert not damage
        assert np.array_equal(image, decoded(file).image)


@pytest.mark.parametrize("between", [b"", bytes(99), b"\r\n", BOUNDARY, END, b"\xff\xd8\xff\xe0", JPEG[:-1]])
@pytest.mark.parametrize("second", [JPEG, PNG, PROGRESSIVE, jpeg(GREY)], ids=["jpeg", "png", "progressive", "grey"])
def test_a_second_whole_image_anywhere_behind_the_first_is_refused(between: bytes, second: bytes) -> None:
    for first in (JPEG, PNG):
        said = refusal(first + between + second + b"more")
        assert said.startswith(f"a second image of {len(second)} bytes begins at byte {len(first) + len(between)}")


def test_many_starts_of_images_are_not_all_walked() -> None:
    assert "more than 32 images seem to follow" in refusal(JPEG + b"\xff\xd8\xff" * 33)


def test_images_that_the_file_announces_may_follow_and_no_other() -> None:
    image, _, [note] = decoded(SEVERAL)
    assert "2 images that it announces among them" in note
    assert np.abs(image.astype(int) - by_pillow(SEVERAL)).max() <= 1
    assert "a second image" in refusal(SEVERAL + JPEG)
    assert "a second image" in refusal(SEVERAL[: inspect(memoryview(SEVERAL), LIMITS).end] + b"\0" + JPEG)
    assert "a second image" in refusal(with_segment(JPEG, 0xE2, b"MPF\0MM\0*\xff\xff\xff\xff") + JPEG)


def test_an_index_of_images_announces_what_it_points_to() -> None:
    for order, start in (("<", b"II*\0"), (">", b"MM\0*")):
        index = start + struct.pack(f"{order}IHHHIII", 8, 1, 0xB002, 7, 32, 26, 0) + bytes(16)
        segment_bytes = 2 + 2 + 4 + len(index) + 16
        place = len(JPEG) + segment_bytes - (2 + 4 + 4)
        entry = struct.pack(f"{order}IIIHH", 0, len(JPEG), place, 0, 0)
        first = with_segment(JPEG, 0xE2, b"MPF\0" + index + entry)
        assert "1 images that it announces" in decoded(first + JPEG).notes[0]
        assert "a second image" in refusal(first + b"\n" + JPEG)


def icc(*numbers: tuple[int, int], size: int = 60) -> bytes:
    file = JPEG
    for pair in reversed(numbers):
        file = with_segment(file, 0xE2, b"ICC_PROFILE\0" + bytes(pair) + bytes(size))
    return file


@pytest.mark.parametrize(
    "file",
    [
        icc((0, 0)),
        icc((1, 2)),
        icc((2, 1)),
        icc((1, 1), (1, 1)),
        icc((1, 2), (2, 3)),
        icc((1, 1), size=0),
        icc((1, 3), (3, 3)),
    ],
)
def test_a_broken_colour_profile_is_noted(file: bytes) -> None:
    image, _, [note] = decoded(file)
    assert "ICC profile is broken" in note
    assert np.array_equal(image, decoded(JPEG).image)


def test_a_whole_colour_profile_is_not() -> None:
    for file in (icc((1, 1)), icc((1, 2), (2, 2)), icc((2, 2), (1, 2)), with_segment(JPEG, 0xE2, b"ICC_PROFILE\0")):
        assert decoded(file).notes == ()


@pytest.mark.parametrize("numbers", [(0, 0, 0), (0, 63, 1), (1, 63, 0), (5, 2, 0x33), (0, 64, 0), (255, 255, 255)])
def test_coefficients_that_a_sequential_scan_names_are_noted(numbers: tuple[int, int, int]) -> None:
    for file in (JPEG, RARE_JPEG):
        odd = file.replace(b"\0\x3f\0", bytes(numbers))
        image, _, notes = decoded(odd)
        assert len(notes) == file.count(b"\0\x3f\0")
        assert all(f"names coefficients {bytes(numbers).hex()}, not 003f00" in note for note in notes)
        assert np.array_equal(image, decoded(file).image)
        assert np.abs(image.astype(int) - by_pillow(odd)).max() <= 1


def test_those_of_a_progressive_scan_are_not_to_be_changed() -> None:
    at = PROGRESSIVE.index(b"\xff\xda")
    numbers_at = at + 2 + PROGRESSIVE[at + 3] - 3
    assert decoded(PROGRESSIVE).notes == ()
    refusal(PROGRESSIVE[:numbers_at] + b"\0\x3f\0" + PROGRESSIVE[numbers_at + 3 :])


def test_a_progressive_file_that_ends_between_two_scans_is_refused_and_not_blurred() -> None:
    at, cuts = PROGRESSIVE.index(b"\xff\xda"), 0
    while (at := PROGRESSIVE.find(b"\xff\xc4", at + 1)) > 0:
        for file in (PROGRESSIVE[:at] + END, PROGRESSIVE[:at] + END + PROGRESSIVE[at + 2 :]):
            assert "the file is incomplete" in refusal(file)
        cuts += 1
    assert cuts > 5


def test_all_oddities_together_are_noted_one_by_one() -> None:
    file = icc((7, 7)).replace(b"JFIF\0\1", b"JFIF\0\7").replace(b"\0\x3f\0", b"\0\0\0") + b"behind"
    image, _, notes = decoded(file)
    assert len(notes) == 4
    assert np.array_equal(image, decoded(JPEG).image)
    small = decoded(file, FrameForm(grey=True, reduce=2))
    assert np.array_equal(small.image, decoded(JPEG, FrameForm(grey=True, reduce=2)).image)


@pytest.mark.parametrize(
    "kind", [b"tEXt", b"zTXt", b"iTXt", b"gAMA", b"cHRM", b"iCCP", b"sRGB", b"pHYs", b"tIME", b"eXIf", b"prIv"]
)
def test_a_wrong_checksum_of_what_no_pixel_needs_is_noted(kind: bytes) -> None:
    bad = chunk(kind, bytes(9))[:-1] + b"?"
    for file in (grey_png(GREY, before=bad), grey_png(GREY, after=bad)):
        image, _, [note] = decoded(file)
        assert f"chunk {kind.decode()} at byte" in note
        assert np.array_equal(image[..., 0], GREY)
    assert len(decoded(grey_png(GREY, before=bad * 30)).notes) == 8


def test_a_wrong_checksum_of_what_pixels_need_is_refused() -> None:
    for kind in (b"IHDR", b"IDAT", b"IEND"):
        at = PNG.index(kind)
        end = at + 4 + struct.unpack(">I", PNG[at - 4 : at])[0]
        assert "wrong CRC" in refusal(PNG[:end] + bytes((PNG[end] ^ 1,)) + PNG[end + 1 :])
        # a letter that turns lower-case makes it look like one that no pixel needs
        refusal(PNG[:at] + kind[:1].lower() + PNG[at + 1 :])


@pytest.mark.parametrize(
    "file",
    [
        with_segment(JPEG, 0xE1, b"")[:4] + b"\0\1" + JPEG[2:],  # a length that cannot be
        JPEG[:2] + b"\0\0" + JPEG[2:],  # bytes where a marker should be
        grey_png(GREY).replace(b"IEND", b"IENd"),
        JPEG[:-2],
    ],
)
def test_structure_that_is_damaged_stays_refused(file: bytes) -> None:
    refusal(file)


OBEY = """
def main(context):
    context["seen"] = list(context.get("notes", ["none"]))
    if context["data"] == "change":
        context["notes"] = "mine"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    flow = '[[flow]]\nmodule = "code"\nfile = "code/obey.py"\n'
    with serving(write_project(tmp_path_factory.mktemp("notes"), flow, obey=OBEY)) as running:
        yield running


def sent(client: httpx.Client, file: bytes, data: str = "") -> dict[str, object]:
    answer = client.post("/analyze_image", params={"data": data}, content=file)
    context: dict[str, object] = answer.raise_for_status().json()
    return context


def test_a_server_tells_notes_in_the_context_and_only_where_there_are_some(server: Server) -> None:
    with server.client() as client:
        context = sent(client, JPEG + b"\r\n")
        notes = [f"2 bytes follow the end of the JPEG at byte {len(JPEG)}; they are ignored"]
        assert (context["notes"], context["seen"]) == (notes, notes)
        assert (context["result"], context["error"]) == (True, False)
        assert sent(client, JPEG + b"\r\n", "change")["notes"] == notes
        sound = sent(client, JPEG)
        assert "notes" not in sound
        assert sound["seen"] == ["none"]
        assert sent(client, JPEG, "change")["notes"] == "mine"  # a key of its own, then
        refused = client.post("/analyze_image", content=JPEG + JPEG)
        assert (refused.status_code, refused.json()["code"]) == (422, "image_invalid")


def test_answers_with_the_process_switch_off_have_no_notes(server: Server) -> None:
    with server.client() as client:
        client.put("/api/v1/process", json={"process": False}).raise_for_status()
        try:
            context = sent(client, JPEG + b"\r\n")
        finally:
            client.put("/api/v1/process", json={"process": True}).raise_for_status()
        assert context["processing"] is False
        assert "notes" not in context
        assert context["imageShape"] == {"height": COLOUR.shape[0], "width": COLOUR.shape[1]}
