"""The module `brightness` on pictures whose light is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from tests.modules.pages import example, page, table
from tests.support.projects import inspect, write_project
from workers.context.context import new_context
from workers.context.run import Run
from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.modules.brightness.module import Brightness
from workers.modules.brightness.options import BrightnessOptions

Image = NDArray[np.uint8]


def look(image: Image, **options: Any) -> dict[str, Any]:
    frame = image.copy()
    frame.flags.writeable = False
    context = new_context(frame, "")
    Brightness(BrightnessOptions.model_validate(options))(context, Run.start(2**62))
    return context


def thirds() -> Image:
    """A tenth black, a fifth white, the rest at 100; (50, 100)."""
    image = np.full((50, 100), 100, np.uint8)
    image[:5], image[40:] = 2, 253
    return image


@pytest.mark.parametrize("colour", [False, True])
def test_values_are_those_of_the_picture(colour: bool) -> None:
    image = cv2.cvtColor(thirds(), cv2.COLOR_GRAY2BGR) if colour else thirds()
    values = look(np.asarray(image, np.uint8), name="lamp")["brightness"]["lamp"]
    assert values == {
        "mean_level": pytest.approx(0.1 * 2 + 0.7 * 100 + 0.2 * 253),
        "under_percent": 10.0,
        "over_percent": 20.0,
    }


def test_the_mean_is_that_of_grey_and_exposure_that_of_the_brightest_channel() -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    image[:, :, 2] = 250
    values = look(image)["brightness"]["brightness"]
    assert values == {"mean_level": pytest.approx(0.299 * 250), "under_percent": 0.0, "over_percent": 100.0}


def test_levels_are_where_the_options_put_them() -> None:
    values = look(thirds(), under_level=2, over_level=253)["brightness"]["brightness"]
    assert (values["under_percent"], values["over_percent"]) == (10.0, 20.0)
    values = look(thirds(), under_level=1, over_level=254)["brightness"]["brightness"]
    assert (values["under_percent"], values["over_percent"]) == (0.0, 0.0)


@pytest.mark.parametrize(
    "region", [{"x": 0, "y": 0, "width": 100, "height": 10}, {"polygon": [[0, 0], [50, 0], [50, 10], [0, 10]]}]
)
def test_only_the_region_counts(region: dict[str, Any]) -> None:
    values = look(thirds(), region=region)["brightness"]["brightness"]
    assert values == {"mean_level": 51.0, "under_percent": 50.0, "over_percent": 0.0}


LIMITS: list[tuple[dict[str, float], str, str]] = [
    ({"mean_min_level": 130}, "too dark", "mean_level is 120.8, expected at least 130"),
    ({"mean_max_level": 110}, "too bright", "mean_level is 120.8, expected at most 110"),
    ({"under_max_percent": 9}, "underexposed", "under_percent is 10, expected at most 9"),
    ({"under_min_percent": 11}, "no darkness", "under_percent is 10, expected at least 11"),
    ({"over_max_percent": 19.5}, "overexposed", "over_percent is 20, expected at most 19.5"),
    ({"over_min_percent": 21}, "no light", "over_percent is 20, expected at least 21"),
]


@pytest.mark.parametrize(("limits", "label", "line"), LIMITS)
def test_a_limit_that_does_not_hold_is_nok_or_a_line(limits: dict[str, float], label: str, line: str) -> None:
    context = look(thirds(), **limits)
    assert (context["result"], context["exit"]) == (False, True)
    (rectangle,) = context["detectedRectangles"]
    assert rectangle["classNames"][0]["label"] == label
    assert (rectangle["x"], rectangle["y"], rectangle["width"], rectangle["height"]) == (0, 0, 100, 50)
    assert "warnings" not in context

    before = new_context(thirds(), "")
    warned = look(thirds(), **limits, on_fail="warn", name="lamp")
    assert warned.pop("warnings") == [f"lamp: {line}"]
    assert warned.pop("brightness").keys() == {"lamp"}
    assert np.array_equal(warned.pop("image"), before.pop("image"))
    assert warned == before


def test_all_that_is_wrong_is_said() -> None:
    limits = {key: value for wrong, _, _ in LIMITS[::2] for key, value in wrong.items()}
    (rectangle,) = look(thirds(), **limits)["detectedRectangles"]
    assert [name["label"] for name in rectangle["classNames"]] == ["too dark", "underexposed", "overexposed"]
    assert len(look(thirds(), **limits, on_fail="warn")["warnings"]) == 3


def test_limits_hold_at_their_very_value() -> None:
    context = look(thirds(), under_min_percent=10, under_max_percent=10, over_min_percent=20, over_max_percent=20)
    assert (context["result"], context["exit"], context["detectedRectangles"]) == (True, False, [])


def test_good_light_makes_no_frame_ok() -> None:
    context = new_context(thirds(), "")
    context["result"] = False
    Brightness(BrightnessOptions(mean_min_level=1))(context, Run.start(2**62))
    assert context["result"] is False


def test_no_later_module_calls_a_dark_frame_ok(tmp_path: Path) -> None:
    flow = """
        [[flow]]
        module = "brightness"
        mean_min_level = 50

        [[flow]]
        module = "blobs"
        darker_than = 1
        count_max = 0
    """
    module = Flow.prepare(load_project(write_project(tmp_path, flow)))
    dark = inspect(module, np.full((20, 20, 3), 10, np.uint8)).context
    assert (dark["result"], "blobs" in dark, dark["error"]) == (False, False, False)
    lit = inspect(module, np.full((20, 20, 3), 60, np.uint8)).context
    assert (lit["result"], "blobs" in lit) == (True, True)


def test_warnings_come_together_whatever_code_left_there() -> None:
    context = new_context(thirds(), "")
    context["warnings"] = "none"
    for name in ("one", "two"):
        Brightness(BrightnessOptions(name=name, mean_min_level=200, on_fail="warn"))(context, Run.start(2**62))
    assert [line.partition(":")[0] for line in context["warnings"]] == ["one", "two"]
    assert context["brightness"].keys() == {"one", "two"}


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (1, 5, 3)])
def test_pictures_of_a_few_pixels_are_measured_too(shape: tuple[int, ...]) -> None:
    values = look(np.zeros(shape, np.uint8))["brightness"]["brightness"]
    assert values == {"mean_level": 0.0, "under_percent": 100.0, "over_percent": 0.0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mean_min_level": 256}, "less than or equal to 255"),
        ({"mean_min_level": 100, "mean_max_level": 90}, "less than mean_min_level = 100"),
        ({"over_max_percent": float("inf")}, "finite number"),
        ({"under_level": 250}, "not above under_level = 250"),
        ({"on_fail": "stop"}, "'nok' or 'warn'"),
        ({"region": {}}, "is empty; expected"),
    ],
)
def test_bad_options_are_told_what_was_expected(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        BrightnessOptions.model_validate(options)


def test_the_example_of_the_page_sees_the_lamp(tmp_path: Path) -> None:
    tried = example("brightness", tmp_path)
    assert tried.inspect(np.full((300, 400, 3), 120, np.uint8)).context["result"] is True
    context, annotated = tried.inspect(np.full((300, 400, 3), 30, np.uint8))
    assert context["result"] is False
    assert context["detectedRectangles"][0]["classNames"][0]["label"] == "too dark"
    assert (annotated != 30).any()


def test_the_page_says_what_the_options_are() -> None:
    assert table(BrightnessOptions) in page("brightness")
