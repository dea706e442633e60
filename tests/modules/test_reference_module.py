"""The module `reference`: what it forgives, what it finds, and what it says where it cannot compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest

from tests.modules.boards import (
    GOOD,
    Image,
    Module,
    covers,
    drawn_board,
    judge,
    label,
    lit,
    patched,
    read_picture,
    reference_module,
    references,
    shifted,
)


@pytest.fixture(scope="module")
def pcb(request: pytest.FixtureRequest) -> Path:
    return cast("Path", request.getfixturevalue("shared_data")) / "pcb"


@pytest.fixture(scope="module")
def pcb_module(pcb: Path) -> Module:
    return reference_module(pcb, "{data}_reference.png")


@pytest.fixture
def board(tmp_path: Path) -> Module:
    return reference_module(references(tmp_path, board=drawn_board()))


# real boards


def _iou(one: dict[str, Any], other: dict[str, Any]) -> float:
    width = min(one["x"] + one["width"], other["x"] + other["width"]) - max(one["x"], other["x"])
    height = min(one["y"] + one["height"], other["y"] + other["height"]) - max(one["y"], other["y"])
    shared = max(width, 0) * max(height, 0)
    return float(shared / (one["width"] * one["height"] + other["width"] * other["height"] - shared))


def _right(found: list[dict[str, Any]], true: list[dict[str, Any]]) -> int:
    """Count the found rectangles that overlap a true one of their own, the best overlaps first."""
    overlaps = sorted(((_iou(f, t), i, j) for i, f in enumerate(found) for j, t in enumerate(true)), reverse=True)
    used: tuple[set[int], set[int]] = (set(), set())
    for overlap, i, j in overlaps:
        if overlap >= 0.1 and i not in used[0] and j not in used[1]:
            used[0].add(i)
            used[1].add(j)
    return len(used[0])


def test_real_boards_get_the_right_verdict_and_most_defects_their_rectangle(pcb: Path, pcb_module: Module) -> None:
    wrong, right, found, true = [], 0, 0, 0
    for frame in json.loads((pcb / "truth.json").read_text()):
        context = judge(pcb_module, read_picture(pcb / f"{frame['frame']}_test.jpg"), frame["frame"])
        assert not context["errors"]
        if context["result"] is not frame["ok"]:
            wrong.append(frame["frame"])
        right += _right(context["detectedRectangles"], frame["defects"])
        found += len(context["detectedRectangles"])
        true += len(frame["defects"])
    assert not wrong
    assert right / found >= 0.94
    assert right / true >= 0.97


@pytest.mark.parametrize("change", GOOD)
@pytest.mark.parametrize("number", ["02", "09", "14"])
def test_a_real_golden_image_stays_good(pcb: Path, pcb_module: Module, number: str, change: str) -> None:
    context = judge(pcb_module, GOOD[change](read_picture(pcb / f"{number}_reference.png")), number)
    assert context["result"] is True
    assert context["detectedRectangles"] == []


# what is forgiven


@pytest.mark.parametrize("change", GOOD)
def test_a_coloured_board_stays_good(board: Module, change: str) -> None:
    context = judge(board, GOOD[change](drawn_board()))
    assert context["result"] is True
    assert context["detectedRectangles"] == []
    # pictures show heat from 0.36 upwards
    assert context["score"] < 0.36


def test_a_board_whose_halves_moved_apart_is_good(board: Module) -> None:
    image = np.hstack([shifted(drawn_board(), 0, 3)[:, :256], shifted(drawn_board(), 1, -3)[:, 256:]])
    for y in range(0, 512, 16):
        # the cut itself is no defect of either half
        image[y : y + 16, 250:262] = drawn_board()[y : y + 16, 250:262]
    context = judge(board, image)
    assert [r for r in context["detectedRectangles"] if not 230 < r["x"] + r["width"] / 2 < 282] == []


@pytest.mark.parametrize("shift", [(3, 0), (-3, 0), (0, 3), (0, -3)])
def test_without_alignment_edges_may_be_off_by_the_jitter_alone(tmp_path: Path, shift: tuple[int, int]) -> None:
    # without the text, whose strokes are thinner than the jitter
    golden = drawn_board()[:470].copy()
    module = reference_module(references(tmp_path, board=golden), shift_px=0)
    assert judge(module, shifted(golden, *shift))["result"] is True
    assert judge(module, shifted(golden, 2 * shift[0], 2 * shift[1]))["result"] is False


def test_a_board_far_darker_than_allowed_is_bad(tmp_path: Path) -> None:
    folder = references(tmp_path, board=drawn_board())
    dark = lit(drawn_board(), 0.5)
    assert judge(reference_module(folder), dark)["result"] is False
    assert judge(reference_module(folder, brightness_percent=100), dark)["result"] is True


# what is found


@pytest.mark.parametrize(
    "change", ["the golden image itself", "3 px to the left and down", "15 percent darker", "jpeg"]
)
def test_a_pasted_defect_is_found_where_it_is(board: Module, change: str) -> None:
    context = judge(board, GOOD[change](patched(drawn_board(), 300, 110, 14, 10, (90, 180, 220))))
    assert context["result"] is False
    assert context["score"] >= context["threshold"]
    (rectangle,) = context["detectedRectangles"]
    assert covers(rectangle, 307, 115)
    assert rectangle["width"] < 40
    assert label(rectangle) == "brighter"


def test_missing_material_is_darker(board: Module) -> None:
    context = judge(board, patched(drawn_board(), 330, 50, 20, 20, (40, 110, 30)))
    (rectangle,) = context["detectedRectangles"]
    assert covers(rectangle, 340, 60)
    assert label(rectangle) == "darker"


def test_a_gap_in_a_trace_as_thin_as_the_jitter_is_found(board: Module) -> None:
    context = judge(board, patched(drawn_board(), 300, 84, 16, 12, (40, 110, 30)))
    assert any(covers(rectangle, 308, 90) for rectangle in context["detectedRectangles"])


def test_another_colour_of_the_same_brightness_is_found(tmp_path: Path) -> None:
    image = drawn_board((120, 90, 120))
    greener = patched(image, 300, 110, 20, 12, (35, 150, 35))
    grey = cv2.cvtColor(greener, cv2.COLOR_BGR2GRAY).astype(int) - cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    assert abs(grey).max() < 3
    (rectangle,) = judge(reference_module(references(tmp_path, board=image)), greener)["detectedRectangles"]
    assert covers(rectangle, 310, 116)
    assert label(rectangle) == "tinted"


def test_two_defects_are_two_rectangles_and_close_pieces_one(board: Module) -> None:
    apart = patched(patched(drawn_board(), 200, 110, 10, 8, (0, 0, 0)), 400, 270, 10, 8, (0, 0, 0))
    assert len(judge(board, apart)["detectedRectangles"]) == 2
    close = patched(patched(drawn_board(), 200, 110, 8, 8, (0, 0, 0)), 214, 110, 8, 8, (0, 0, 0))
    (rectangle,) = judge(board, close)["detectedRectangles"]
    assert covers(rectangle, 201, 114)
    assert covers(rectangle, 220, 114)


def test_what_is_smaller_than_the_smallest_defect_is_none(tmp_path: Path) -> None:
    folder = references(tmp_path, board=drawn_board())
    image = patched(drawn_board(), 300, 110, 6, 6, (90, 180, 220))
    assert judge(reference_module(folder, min_area_px=20), image)["result"] is False
    context = judge(reference_module(folder, min_area_px=100), image)
    assert context["result"] is True
    assert context["detectedRectangles"] == []
    assert 0 < context["score"] < context["threshold"]


def test_a_frame_of_something_else_gets_one_rectangle(tmp_path: Path) -> None:
    golden = cast("Image", cv2.resize(drawn_board(), (1920, 1024)))
    context = judge(reference_module(references(tmp_path, board=golden)), np.zeros_like(golden))
    assert context["result"] is False
    (rectangle,) = context["detectedRectangles"]
    assert label(rectangle) == "darker"
    assert rectangle["width"] > 1500


def test_a_grey_golden_image_takes_grey_and_coloured_frames(tmp_path: Path) -> None:
    grey = cast("Image", cv2.cvtColor(drawn_board(), cv2.COLOR_BGR2GRAY))
    module = reference_module(references(tmp_path, board=grey))
    assert judge(module, grey)["result"] is True
    assert judge(module, drawn_board())["result"] is True
    bad = grey.copy()
    bad[110:120, 300:314] = 250
    plain, coloured = judge(module, bad), judge(module, cast("Image", cv2.cvtColor(bad, cv2.COLOR_GRAY2BGR)))
    assert plain["result"] is False
    assert plain["detectedRectangles"] == coloured["detectedRectangles"]


def test_a_coloured_golden_image_takes_a_grey_frame(board: Module) -> None:
    context = judge(board, cast("Image", cv2.cvtColor(drawn_board(), cv2.COLOR_BGR2GRAY)))
    assert context["errors"] == []
    assert context["heatmaps"][0].shape == (512, 640)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 9), (9, 70), (131, 130), (64, 1000)])
def test_any_size_can_be_compared(tmp_path: Path, size: tuple[int, int]) -> None:
    golden = np.random.default_rng(3).integers(0, 256, (*size, 3), dtype=np.uint8)
    context = judge(reference_module(references(tmp_path, board=golden)), golden)
    assert context["result"] is True
    assert context["heatmaps"][0].shape == size
