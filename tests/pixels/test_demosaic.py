"""Raw frames of every format against a scene whose colours are known, mosaicked by hand."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.errors import FrameSizeMismatch, InvalidParameter
from workers.pixels.pixel_format import FORMATS, Layout, Packing, PixelFormat
from workers.pixels.raw import raw_to_bgr
from workers.pixels.scratch import Scratch

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

# by definition: BayerRG has R G R G in its first line and G B G B in its second; the others likewise
FIRST_TWO_LINES = {
    Layout.BAYER_RG: ("RG", "GB"),
    Layout.BAYER_GR: ("GR", "BG"),
    Layout.BAYER_GB: ("GB", "RG"),
    Layout.BAYER_BG: ("BG", "GR"),
}
CHANNEL = {"B": 0, "G": 1, "R": 2}
NAMES = sorted({known.name for known in FORMATS.values()})
BAYER = [name for name in NAMES if name.startswith("Bayer")]
BAYER8 = [name for name in BAYER if name.endswith("8")]
PATCH_PX = 12
# B, G, R: no two channels of a patch alike, so that no exchange of channels goes unseen
COLOURS = [(10, 120, 250), (250, 20, 130), (90, 200, 30), (60, 160, 220), (200, 100, 5), (0, 255, 128)]


def _scene(extra_px: int = 0) -> NDArray[np.uint8]:
    """Two rows of three patches; `extra_px` more lines and columns of the last colours make the sides odd."""
    patches = np.array(COLOURS, np.uint8).reshape(2, 3, 3)
    scene = patches.repeat(PATCH_PX, axis=0).repeat(PATCH_PX, axis=1)
    return np.pad(scene, ((0, extra_px), (0, extra_px), (0, 0)), mode="edge")


def _inside_patches() -> list[tuple[slice, slice]]:
    """Where demosaicing sees one colour only: each patch without two pixels on each side."""
    starts = [(row * PATCH_PX, column * PATCH_PX) for row in range(2) for column in range(3)]
    return [(slice(y + 2, y + PATCH_PX - 2), slice(x + 2, x + PATCH_PX - 2)) for y, x in starts]


def _mosaicked(scene: NDArray[np.uint8], layout: Layout) -> NDArray[np.uint8]:
    mosaic = np.empty(scene.shape[:2], np.uint8)
    for y, line in enumerate(FIRST_TWO_LINES[layout]):
        for x, letter in enumerate(line):
            mosaic[y::2, x::2] = scene[y::2, x::2, CHANNEL[letter]]
    return mosaic


def _samples(scene: NDArray[np.uint8], layout: Layout) -> NDArray[np.uint8]:
    """The scene as a camera of that layout would sample it, 8 bits each."""
    if layout.is_bayer:
        return _mosaicked(scene, layout)
    alpha = np.full((*scene.shape[:2], 1), 77, np.uint8)
    forms = {
        Layout.GREY: scene[..., 1],
        Layout.BGR: scene,
        Layout.RGB: scene[..., ::-1],
        Layout.BGRA: np.concatenate([scene, alpha], axis=2),
    }
    return forms[layout]


def _frame(samples: NDArray[np.uint8], known: PixelFormat) -> NDArray[np.uint8]:
    """8-bit samples as a frame of that format, read-only as in a worker; the bits below the 8 are all 1."""
    flat = samples.reshape(-1)
    deep = flat.astype(np.uint16) << (known.bits - 8) | ((1 << (known.bits - 8)) - 1)
    if known.packing is Packing.BYTES:
        data = flat.tobytes()
    elif known.packing is Packing.WORDS_LE:
        data = deep.astype("<u2").tobytes()
    elif known.packing is Packing.LSB:
        bits = (deep[:, None] >> np.arange(known.bits)) % 2 == 1
        data = np.packbits(bits, axis=None, bitorder="little").tobytes()
    else:
        pairs = np.zeros((flat.size + 1) // 2 * 2, np.uint8)
        pairs[: flat.size] = flat
        low = np.full(len(pairs) // 2, 0x33 if known.bits == 10 else 0xFF, np.uint8)
        data = np.stack([pairs[0::2], low, pairs[1::2]], axis=1).tobytes()
        data = data[: known.frame_bytes(flat.size, 1)]
    return np.frombuffer(data, np.uint8)


def _shown(scene: NDArray[np.uint8], known: PixelFormat, scratch: Scratch | None = None) -> NDArray[np.uint8]:
    height, width = scene.shape[:2]
    return raw_to_bgr(_frame(_samples(scene, known.layout), known), known, width, height, scratch)


@pytest.mark.parametrize("extra_px", [0, 1])
@pytest.mark.parametrize("name", BAYER)
def test_a_bayer_frame_shows_every_colour_of_the_scene_exactly(name: str, extra_px: int) -> None:
    scene = _scene(extra_px)
    shown = _shown(scene, FORMATS[name])
    assert shown.shape == scene.shape
    for area in _inside_patches():
        np.testing.assert_array_equal(shown[area], scene[area])


@pytest.mark.parametrize(("right", "wrong"), list(itertools.permutations(BAYER8, 2)))
def test_a_wrong_bayer_pattern_misses_every_colour_of_the_scene(right: str, wrong: str) -> None:
    scene = _scene()
    frame = _frame(_samples(scene, FORMATS[right].layout), FORMATS[right])
    shown = raw_to_bgr(frame, FORMATS[wrong], scene.shape[1], scene.shape[0], None)
    for area in _inside_patches():
        assert not np.array_equal(shown[area], scene[area])


@pytest.mark.parametrize("extra_px", [0, 1])
@pytest.mark.parametrize("name", [name for name in NAMES if name not in BAYER])
def test_a_frame_that_needs_no_demosaicing_is_exact_everywhere(name: str, extra_px: int) -> None:
    scene = _scene(extra_px)
    expected = scene if not name.startswith("Mono") else scene[..., 1:2].repeat(3, axis=2)
    np.testing.assert_array_equal(_shown(scene, FORMATS[name]), expected)


@settings(deadline=None, max_examples=60)
@given(
    width=st.integers(3, 70),
    height=st.integers(3, 20),
    name=st.sampled_from(BAYER),
    seed=st.integers(0, 2**32 - 1),
)
def test_demosaicing_keeps_what_was_measured_and_repeats_the_outermost_line(
    width: int, height: int, name: str, seed: int
) -> None:
    known = FORMATS[name]
    mosaic = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    shown = raw_to_bgr(_frame(mosaic, known), known, width, height, None)
    for y, line in enumerate(FIRST_TWO_LINES[known.layout]):
        for x, letter in enumerate(line):
            measured = mosaic[y::2, x::2][1:-1, 1:-1]
            np.testing.assert_array_equal(shown[y::2, x::2, CHANNEL[letter]][1:-1, 1:-1], measured)
    np.testing.assert_array_equal(shown, np.pad(shown[1:-1, 1:-1], ((1, 1), (1, 1), (0, 0)), mode="edge"))


def test_a_real_colour_picture_survives_its_own_pattern_and_no_other(shared_data: Path) -> None:
    picture = cv2.imread(str(shared_data / "pekat" / "cat.jpg"), cv2.IMREAD_COLOR)
    assert picture is not None
    scene = np.asarray(picture, np.uint8)

    def mean_error(right: str, wrong: str) -> float:
        frame = _frame(_samples(scene, FORMATS[right].layout), FORMATS[right])
        shown = raw_to_bgr(frame, FORMATS[wrong], scene.shape[1], scene.shape[0], None)
        return float(cv2.norm(shown, scene, cv2.NORM_L1)) / scene.size

    for right in BAYER8:
        errors = {name: mean_error(right, name) for name in BAYER8}
        own = errors.pop(right)
        assert own < 2
        assert min(errors.values()) > 3 * own


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 7), (7, 1), (2, 2), (2, 7), (7, 2)])
@pytest.mark.parametrize("name", NAMES)
def test_a_tiny_frame_gives_a_picture_or_a_clear_error(name: str, width: int, height: int) -> None:
    known = FORMATS[name]
    frame = np.full(known.frame_bytes(width, height), 1, np.uint8)
    if known.packing is Packing.WORDS_LE:
        frame[1::2] = 0
    if known.layout.is_bayer:
        with pytest.raises(FrameSizeMismatch, match="needs at least 3x3 pixels"):
            raw_to_bgr(frame, known, width, height, None)
    else:
        assert raw_to_bgr(frame, known, width, height, None).shape == (height, width, 3)


@pytest.mark.parametrize(("width", "height"), [(200_001, 3), (3, 200_001)])
@pytest.mark.parametrize("name", ["BayerRG8", "BayerGB10p", "Mono12Packed", "RGB8", "BGRa8"])
def test_a_very_long_frame_is_no_different(name: str, width: int, height: int) -> None:
    known = FORMATS[name]
    samples = np.full((height, width, known.layout.channels), 200, np.uint8)
    shown = raw_to_bgr(_frame(samples, known), known, width, height, None)
    assert shown.shape == (height, width, 3)
    assert shown.min() == shown.max() == 200


@pytest.mark.parametrize("name", NAMES)
def test_a_frame_of_another_length_is_refused_before_it_is_read(name: str) -> None:
    known = FORMATS[name]
    right = known.frame_bytes(6, 5)
    for wrong in (0, right - 1, right + 1):
        with pytest.raises(FrameSizeMismatch, match=f"expected {right} bytes for 6x5 {name}, got {wrong}"):
            raw_to_bgr(np.zeros(wrong, np.uint8), known, 6, 5, Scratch())


def test_a_refused_frame_leaves_the_scratch_usable() -> None:
    scratch = Scratch()
    with pytest.raises(InvalidParameter):
        raw_to_bgr(np.full(60, 255, np.uint8), FORMATS["BayerRG10"], 6, 5, scratch)
    scene = _scene()
    shown = _shown(scene, FORMATS["BayerRG10"], scratch)
    for area in _inside_patches():
        np.testing.assert_array_equal(shown[area], scene[area])


def test_bgr_is_a_view_of_the_frame_and_stays_read_only() -> None:
    frame = np.frombuffer(bytes(range(90)), np.uint8)
    shown = raw_to_bgr(frame, FORMATS["BGR8"], 6, 5, Scratch())
    assert np.shares_memory(shown, frame)
    assert not shown.flags.writeable
    assert shown.tobytes() == bytes(range(90))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "BGR8"])
def test_any_other_picture_has_its_own_memory_and_the_frame_stays_as_it_is(name: str) -> None:
    known = FORMATS[name]
    frame = _frame(_samples(_scene(), known.layout), known).copy()
    before = frame.tobytes()
    shown = raw_to_bgr(frame, known, 3 * PATCH_PX, 2 * PATCH_PX, Scratch())
    assert shown.flags.writeable
    assert shown.flags.c_contiguous
    assert not np.shares_memory(shown, frame)
    assert frame.tobytes() == before


@pytest.mark.parametrize("name", [name for name in NAMES if name != "BGR8"])
def test_a_scratch_gives_the_same_memory_to_the_next_frame(name: str) -> None:
    scratch, known = Scratch(), FORMATS[name]
    first = _shown(_scene(1), known, scratch)
    second = _shown(_scene(0), known, scratch)
    third = _shown(_scene(1), known, scratch)
    assert first.ctypes.data == second.ctypes.data == third.ctypes.data
    assert _shown(_scene(), known).ctypes.data != third.ctypes.data


def test_frames_of_all_formats_and_sizes_through_one_scratch_do_not_mix() -> None:
    scratch = Scratch()
    order = np.random.default_rng(5).permutation(np.repeat(NAMES, 2))
    for turn, name in enumerate(order.tolist()):
        scene = _scene(turn % 4)
        np.testing.assert_array_equal(_shown(scene, FORMATS[name], scratch), _shown(scene, FORMATS[name]))


def test_memory_of_ordinary_frames_is_kept_and_that_of_huge_ones_is_not() -> None:
    scratch = Scratch()
    assert np.shares_memory(scratch.array("a", (100, 100, 3)), scratch.array("a", (50, 50, 3)))
    assert not np.shares_memory(scratch.array("a", (10, 10)), scratch.array("b", (10, 10)))
    huge = (5000, 5000, 3)
    assert not np.shares_memory(scratch.array("a", huge), scratch.array("a", huge))
