"""The demosaic of our own against OpenCV's: the same to the bit, and not a byte beside its memory."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.pixels import raw as demosaic
from workers.pixels.bayer import bayer_to_bgr, is_fast
from workers.pixels.pixel_format import FORMATS, Layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

OPENCV = {layout: code for layout, code in demosaic.TO_BGR.items() if layout.is_bayer}
GUARD_BYTES = 256
GUARD = 0xA5
# around one and around several vectors of 32 and of 16 pixels, and a whole line of a camera
WIDTHS_PX = [*range(3, 70), 95, 96, 97, 98, 99, 100, 127, 128, 129, 130, 131, 1920, 1921]

needs_it = pytest.mark.skipif(not is_fast(), reason="this processor has no vectors that bayer.c knows")


def test_it_is_built_and_used_where_it_can_be() -> None:
    if platform.machine() == "x86_64":
        flags = set(Path("/proc/cpuinfo").read_text().split())
        assert is_fast() is ("avx2" in flags)
    else:
        assert is_fast() is (platform.machine() == "aarch64")


def _guarded(size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Memory with a guard on both sides, all of it, and the part between them."""
    whole = np.full(size + 2 * GUARD_BYTES, GUARD, np.uint8)
    return whole, whole[GUARD_BYTES : GUARD_BYTES + size]


def _demosaicked(mosaic: NDArray[np.uint8], layout: Layout) -> NDArray[np.uint8]:
    height, width = mosaic.shape
    whole, inner = _guarded(height * width * 3)
    bgr = inner.reshape(height, width, 3)
    bayer_to_bgr(mosaic, layout, bgr)
    assert (whole[:GUARD_BYTES] == GUARD).all()
    assert (whole[-GUARD_BYTES:] == GUARD).all()
    return bgr


@needs_it
@pytest.mark.parametrize("layout", OPENCV)
def test_frames_of_all_widths_are_the_same_as_opencvs(layout: Layout) -> None:
    random = np.random.default_rng(7)
    for width in WIDTHS_PX:
        for height in (3, 4, 5, 6, 9):
            mosaic = random.integers(0, 256, (height, width), np.uint8)
            np.testing.assert_array_equal(_demosaicked(mosaic, layout), cv2.cvtColor(mosaic, OPENCV[layout]))


@needs_it
@settings(deadline=None, max_examples=200)
@given(
    width=st.integers(3, 200),
    height=st.integers(3, 12),
    layout=st.sampled_from(sorted(OPENCV, key=str)),
    values=st.lists(st.integers(0, 255), min_size=1, max_size=3),
    seed=st.integers(0, 2**32 - 1),
)
def test_frames_of_few_values_round_as_opencvs_do(
    width: int, height: int, layout: Layout, values: list[int], seed: int
) -> None:
    mosaic = np.random.default_rng(seed).choice(np.array(values, np.uint8), (height, width))
    np.testing.assert_array_equal(_demosaicked(mosaic, layout), cv2.cvtColor(mosaic, OPENCV[layout]))


@needs_it
def test_every_mean_of_four_is_rounded_as_opencvs() -> None:
    # at a red site green is the mean of its four neighbours: all of their low bits and carries, and the extremes
    ends = np.array([0, 1, 2, 3, 127, 128, 129, 252, 253, 254, 255], np.uint8)
    fours = np.stack(np.meshgrid(ends, ends, ends, ends), axis=-1).reshape(-1, 4)
    mosaic = np.zeros((3, 2 * len(fours) + 3), np.uint8)
    sites = slice(1, 2 * len(fours) + 1, 2)
    mosaic[0, sites], mosaic[2, sites] = fours[:, 0], fours[:, 1]
    mosaic[1, 0 : 2 * len(fours) : 2], mosaic[1, 2 : 2 * len(fours) + 2 : 2] = fours[:, 2], fours[:, 3]
    for layout, code in OPENCV.items():
        np.testing.assert_array_equal(_demosaicked(mosaic, layout), cv2.cvtColor(mosaic, code))


@needs_it
@pytest.mark.parametrize("name", ["BayerRG8", "BayerGR10p", "BayerGB12Packed", "BayerBG16"])
def test_without_it_opencv_gives_the_same_picture(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = FORMATS[name]
    frame = np.random.default_rng(3).integers(0, 256, known.frame_bytes(64, 48), np.uint8)
    fast = demosaic.raw_to_bgr(frame, known, 64, 48, None)
    monkeypatch.setattr(demosaic, "is_fast", lambda: False)
    np.testing.assert_array_equal(demosaic.raw_to_bgr(frame, known, 64, 48, None), fast)


@pytest.mark.parametrize(
    ("mosaic", "bgr"),
    [
        (np.zeros((8, 8), np.uint8), np.zeros((8, 7, 3), np.uint8)),
        (np.zeros((8, 8), np.uint8), np.zeros((7, 8, 3), np.uint8)),
        (np.zeros((8, 8), np.uint8), np.zeros((8, 16, 3), np.uint8)[:, ::2]),
        (np.zeros((8, 16), np.uint8)[:, ::2], np.zeros((8, 8, 3), np.uint8)),
        (np.zeros((2, 8), np.uint8), np.zeros((2, 8, 3), np.uint8)),
        (np.zeros((8, 2), np.uint8), np.zeros((8, 2, 3), np.uint8)),
    ],
)
def test_memory_of_another_shape_is_refused_before_it_is_touched(
    mosaic: NDArray[np.uint8], bgr: NDArray[np.uint8]
) -> None:
    with pytest.raises(ValueError, match="no mosaic and its BGR"):
        bayer_to_bgr(mosaic, Layout.BAYER_RG, bgr)
