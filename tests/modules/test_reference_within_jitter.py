"""The module `reference`: what its edge jitter would hide and is no jitter, and what is jitter all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.modules.boards import GOOD, Image, covers, judge, label, noisy, reference_module, references
from workers.modules.reference.differences import Hot
from workers.modules.reference.planes.moved import Area
from workers.modules.reference.within_jitter import WithinJitter

TRACE = (90, 180, 220)
BARE = (40, 110, 30)


def wired_board() -> Image:
    """Draw a board, 640x512 BGR: wide traces, a pair 3 px apart, a trace of 3 px, and small pads."""
    image = np.full((512, 640, 3), BARE, np.uint8)
    for top, height in ((100, 30), (200, 20), (223, 20), (300, 3), (400, 12)):
        image[top : top + height, 60:580] = TRACE
    for x in range(100, 560, 60):
        image[450:464, x : x + 14] = TRACE
    return image


def changed(y: int, x: int, height: int, width: int, colour: tuple[int, int, int]) -> Image:
    image = wired_board()
    image[y : y + height, x : x + width] = colour
    return image


DEFECTS = {
    "a bite at an edge": (changed(100, 300, 3, 8, BARE), (304, 101), "darker"),
    "a bump at an edge": (changed(130, 300, 3, 8, TRACE), (304, 131), "brighter"),
    "a bridge over a narrow gap": (changed(220, 300, 3, 5, TRACE), (302, 221), "brighter"),
    "a gap in a narrow trace": (changed(300, 300, 3, 5, BARE), (302, 301), "darker"),
}


@pytest.mark.parametrize("name", DEFECTS)
@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize(
    "change", ["the golden image itself", "3 px to the left and down", "15 percent darker", "jpeg"]
)
def test_what_the_jitter_would_hide_is_found(tmp_path: Path, name: str, change: str, *, grey: bool) -> None:
    image, (x, y), kind = DEFECTS[name]
    golden = wired_board()
    if grey:
        golden, image = (_grey(one) for one in (golden, image))
    folder = references(tmp_path, board=golden)
    context = judge(reference_module(folder), GOOD[change](image))
    moved = 3 if "3 px" in change else 0
    (rectangle,) = context["detectedRectangles"]
    assert covers(rectangle, x - moved, y + moved)
    assert rectangle["width"] < 40
    assert label(rectangle) == kind
    heat = context["heatmaps"][0]
    assert rectangle["area"] == np.count_nonzero(heat >= context["threshold"])
    assert context["score"] == pytest.approx(heat.max(), abs=1e-4)


@pytest.mark.parametrize("name", DEFECTS)
def test_a_project_may_leave_that_to_the_jitter(tmp_path: Path, name: str) -> None:
    module = reference_module(references(tmp_path, board=wired_board()), within_jitter=False)
    assert judge(module, DEFECTS[name][0])["result"] is True


def _grey(image: Image) -> Image:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)


def _lower_trace() -> Image:
    image = changed(400, 60, 12, 520, BARE)
    image[403:415, 60:580] = TRACE
    return image


def _moved_pad() -> Image:
    image = changed(450, 340, 14, 14, BARE)
    image[452:466, 342:356] = TRACE
    return image


def _wider_trace() -> Image:
    image = wired_board()
    image[97:133, 60:580] = TRACE
    return image


JITTER = {
    "a trace 3 px lower": _lower_trace(),
    "a pad 2 px aside both ways": _moved_pad(),
    "a trace 3 px wider on either side": _wider_trace(),
    "a bite of 2 px": changed(100, 300, 2, 12, BARE),
    "noise": noisy(wired_board(), 8),
}


@pytest.mark.parametrize("name", JITTER)
def test_what_is_jitter_stays_good(tmp_path: Path, name: str) -> None:
    context = judge(reference_module(references(tmp_path, board=wired_board())), JITTER[name])
    assert context["detectedRectangles"] == []
    assert context["result"] is True


def test_what_is_smaller_than_two_of_the_smallest_defects_is_no_bite(tmp_path: Path) -> None:
    folder = references(tmp_path, board=wired_board())
    image = DEFECTS["a bite at an edge"][0]
    assert judge(reference_module(folder, min_area_px=4), image)["result"] is False
    assert judge(reference_module(folder, min_area_px=40), image)["result"] is True


@pytest.mark.parametrize(("jitter_px", "most"), [(3, 64), (8, 9), (16, 4)])
def test_of_very_many_suspects_the_largest_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jitter_px: int, most: int
) -> None:
    golden = np.full((512, 1024, 3), BARE, np.uint8)
    bitten = golden.copy()
    for y in range(20, 460, 70):
        for x in range(20, 960, 70):
            golden[y : y + 40, x : x + 40] = bitten[y : y + 40, x : x + 40] = TRACE
            bitten[y : y + jitter_px, x + 4 : x + 4 + 2 * jitter_px] = BARE
    looked_at: list[Area] = []
    look_at = WithinJitter._look_at

    def counted(self: WithinJitter, box: Area, *rest: Any) -> list[Hot]:
        looked_at.append(box)
        return look_at(self, box, *rest)

    monkeypatch.setattr(WithinJitter, "_look_at", counted)
    module = reference_module(references(tmp_path, board=golden), edge_jitter_px=jitter_px)
    assert judge(module, bitten)["result"] is False
    assert len(looked_at) == most


@pytest.mark.parametrize("corner", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_small_spot_of_another_colour_is_found_wherever_it_begins(tmp_path: Path, corner: tuple[int, int]) -> None:
    y, x = 350 + corner[0], 300 + corner[1]
    grey_board, spot = wired_board(), (170, 30, 170)
    grey_board[:] = (90, 90, 90)
    image = grey_board.copy()
    image[y : y + 6, x : x + 6] = spot
    golden = grey_board.copy()
    # so that the golden image is one in colour
    golden[20:60, 20:60] = image[20:60, 20:60] = (200, 40, 40)
    (rectangle,) = judge(reference_module(references(tmp_path, board=golden)), image)["detectedRectangles"]
    assert covers(rectangle, x + 3, y + 3)
    assert label(rectangle) in {"tinted", "different"}
