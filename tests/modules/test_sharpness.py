"""The module `sharpness` on pictures whose focus is known."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from tests.modules.boards import drawn_board, read_picture
from tests.modules.pages import example, page, table
from workers.context.context import new_context
from workers.context.run import Run
from workers.modules.sharpness.module import Sharpness
from workers.modules.sharpness.options import SharpnessOptions

Image = NDArray[np.uint8]


def look(image: Image, **options: Any) -> dict[str, Any]:
    frame = image.copy()
    frame.flags.writeable = False
    context = new_context(frame, "")
    Sharpness(SharpnessOptions.model_validate(options))(context, Run.start(2**62))
    return context


def percent(image: Image, **options: Any) -> float:
    return float(look(image, **options)["sharpness"]["sharpness"]["sharpness_percent"])


def blurred(image: Image, sigma_px: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), np.uint8)


@pytest.mark.parametrize("colour", [False, True])
def test_a_ramp_has_its_own_slope(colour: bool) -> None:
    ramp = np.tile(np.arange(20, 220, 2, dtype=np.uint8), (60, 1))
    inner = {"x": 10, "y": 10, "width": 80, "height": 40}
    image = np.asarray(cv2.cvtColor(ramp, cv2.COLOR_GRAY2BGR), np.uint8) if colour else ramp
    mean = float(ramp[10:50, 10:90].mean())
    # where the window ends, OpenCV mirrors it: two columns of 80 have no slope
    assert percent(image, region=inner) == pytest.approx(100 * 2 * math.sqrt(78 / 80) / mean, rel=1e-4)


def test_each_blur_makes_it_less() -> None:
    board = drawn_board()
    values = [percent(board), *(percent(blurred(board, sigma)) for sigma in (0.5, 1, 2, 4, 8))]
    assert values == sorted(values, reverse=True)
    assert values[3] < 0.6 * values[0]


@pytest.mark.parametrize("number", ["00", "09"])
def test_on_real_boards_focus_counts_and_light_does_not(shared_data: Path, number: str) -> None:
    board = read_picture(shared_data / "pcb" / f"{number}_test.jpg")
    sharp = percent(board)
    for light in (0.4, 0.7):
        assert percent((board * light).astype(np.uint8)) == pytest.approx(sharp, rel=0.03)
    noisy = np.clip(board + np.random.default_rng(1).normal(0, 3, board.shape), 0, 255).astype(np.uint8)
    assert percent(noisy) == pytest.approx(sharp, rel=0.05)
    assert percent(blurred(board, 2)) < 0.66 * sharp


@pytest.mark.parametrize(
    "region", [{"x": 0, "y": 0, "width": 320, "height": 512}, {"polygon": [[0, 0], [320, 0], [300, 512], [0, 512]]}]
)
def test_only_the_region_counts(region: dict[str, Any]) -> None:
    board = drawn_board()
    board[:, 330:] = blurred(board, 6)[:, 330:]
    changed = board.copy()
    changed[:, 330:] = 0
    assert percent(board, region=region) == percent(changed, region=region)
    assert percent(board) < percent(board, region=region)


@pytest.mark.parametrize("level", [0, 90, 255])
def test_where_all_is_alike_it_is_nothing(level: int) -> None:
    assert percent(np.full((40, 40, 3), level, np.uint8)) == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1, 3), (2, 2, 3)])
def test_pictures_of_a_few_pixels_are_measured_too(shape: tuple[int, ...]) -> None:
    assert percent(np.full(shape, 90, np.uint8), sharpness_min_percent=0) == 0


def test_below_the_limit_it_is_nok_or_a_line() -> None:
    board = drawn_board()
    least = percent(board) * 0.8
    assert look(board, sharpness_min_percent=least)["result"] is True
    context = look(blurred(board, 3), sharpness_min_percent=least)
    assert (context["result"], context["exit"]) == (False, True)
    assert context["detectedRectangles"][0]["classNames"][0]["label"] == "not sharp"
    warned = look(blurred(board, 3), sharpness_min_percent=least, on_fail="warn", name="focus")
    assert (warned["result"], warned["exit"], warned["detectedRectangles"]) == (True, False, [])
    assert warned["warnings"][0].startswith("focus: sharpness_percent is ")
    assert warned["warnings"][0].endswith(f", expected at least {least:g}")


def test_a_sharp_frame_stays_as_it_was() -> None:
    context = new_context(drawn_board(), "")
    context["result"] = False
    Sharpness(SharpnessOptions(sharpness_min_percent=1))(context, Run.start(2**62))
    assert (context["result"], context["exit"], "warnings" in context) == (False, False, False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sharpness_min_percent": -1}, "greater than or equal to 0"),
        ({"sharpness_min_percent": float("nan")}, "finite number|greater than"),
        ({"on_fail": True}, "'nok' or 'warn'"),
        ({"sharpness_max_percent": 5}, "Extra inputs"),
    ],
)
def test_bad_options_are_told_what_was_expected(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SharpnessOptions.model_validate(options)


def test_the_example_of_the_page_sees_the_focus(tmp_path: Path) -> None:
    tried = example("sharpness", tmp_path)
    assert tried.inspect(drawn_board()).context["result"] is True
    context, annotated = tried.inspect(blurred(drawn_board(), 4))
    assert context["result"] is False
    assert context["detectedRectangles"][0]["classNames"][0]["label"] == "not sharp"
    assert annotated.shape == (512, 640, 3)


def test_the_page_says_what_the_options_are() -> None:
    assert table(SharpnessOptions) in page("sharpness")
