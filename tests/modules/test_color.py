"""The module `color` on pictures whose colours are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
from workers.modules.color.classes import NONE, ColorTable
from workers.modules.color.module import Color
from workers.modules.color.options import ColorClass, ColorOptions, ColorRegion, ShareLimits

Image = NDArray[np.uint8]

RED = {"name": "red", "hsv_min": [340, 50, 30], "hsv_max": [15, 100, 100]}
BLUE = {"name": "blue", "bgr_min": [150, 0, 0], "bgr_max": [255, 100, 100]}
GREEN = {"name": "green", "samples_bgr": [[60, 160, 50]], "tolerance": 15}
WHOLE = {"name": "all"}


def halves(left: tuple[int, int, int], right: tuple[int, int, int]) -> Image:
    image = np.empty((40, 60, 3), np.uint8)
    image[:, :30], image[:, 30:] = left, right
    return image


UNHURRIED = Run.start(2**62).look_at_time


def look(image: Image, classes: list[dict[str, Any]], *regions: dict[str, Any]) -> dict[str, Any]:
    frame = image.copy()
    frame.flags.writeable = False
    context = new_context(frame, "")
    Color(ColorOptions.model_validate({"classes": classes, "regions": [*regions]}))(context, Run.start(2**62))
    return context


def class_of(color: tuple[int, int, int], *classes: dict[str, Any]) -> str:
    """Name the class of one colour, BGR."""
    table = ColorTable([ColorClass.model_validate(each) for each in classes])
    found = table.classified(np.array([[color]], np.uint8), UNHURRIED)
    return "none" if found[0, 0] == NONE else str(classes[int(found[0, 0]) - NONE - 1]["name"])


def test_shares_are_those_of_the_picture() -> None:
    image = halves((20, 20, 220), (220, 30, 30))
    image[:4] = 128
    context = look(image, [RED, BLUE, GREEN], WHOLE)
    assert context["colors"] == {"all": {"red": 45.0, "blue": 45.0, "green": 0.0}}
    assert (context["result"], context["detectedRectangles"]) == (True, [])


@pytest.mark.parametrize(
    ("share", "result"),
    [
        ({"red": {"min": 50}}, True),
        ({"red": {"min": 50.1}}, False),
        ({"red": {"max": 50}}, True),
        ({"red": {"max": 49.9}}, False),
        ({"red": {"min": 40, "max": 60}, "blue": {"max": 0}}, False),
        ({"red": {"min": 40, "max": 60}, "blue": {"min": 50}, "green": {"max": 0}}, True),
    ],
)
def test_limits_make_the_result(share: dict[str, Any], result: bool) -> None:
    image = halves((20, 20, 220), (220, 30, 30))
    context = look(image, [RED, BLUE, GREEN], {"name": "all", "share_percent": share})
    assert context["result"] is result
    assert [r["classNames"][0]["label"] for r in context["detectedRectangles"]] == ([] if result else ["all"])


def test_each_region_is_measured_for_itself_and_the_wrong_one_is_shown() -> None:
    image = halves((20, 20, 220), (220, 30, 30))
    left = {
        "name": "left",
        "region": {"x": 5, "y": 5, "width": 20, "height": 10},
        "share_percent": {"red": {"min": 99}},
    }
    polygon = {"polygon": [[35, 5], [55, 5], [35, 25]]}
    right = {"name": "right", "region": polygon, "share_percent": {"red": {"min": 99}}}
    context = look(image, [RED, BLUE], left, right)
    assert context["colors"] == {"left": {"red": 100.0, "blue": 0.0}, "right": {"red": 0.0, "blue": 100.0}}
    assert context["result"] is False
    (shown,) = context["detectedRectangles"]
    assert (shown["x"], shown["y"], shown["width"], shown["height"], shown["area"]) == (35, 5, 20, 20, 190.0)


def test_without_limits_the_result_stays_as_it_was() -> None:
    context = new_context(halves((0, 0, 255), (0, 0, 255)), "")
    context["result"] = False
    options = {"classes": [RED], "regions": [WHOLE]}
    Color(ColorOptions.model_validate(options))(context, Run.start(2**62))
    assert context["result"] is False
    options["regions"] = [{"name": "all", "share_percent": {"red": {"min": 100}}}]
    Color(ColorOptions.model_validate(options))(context, Run.start(2**62))
    assert context["result"] is True


@pytest.mark.parametrize(
    ("color", "name"),
    [
        ((0, 0, 255), "red"),  # hue 0
        ((0, 63, 255), "red"),  # 14.8 degrees
        ((0, 66, 255), "none"),  # 15.5
        ((84, 0, 255), "red"),  # 340.2
        ((88, 0, 255), "none"),  # 339.3
        ((127, 127, 255), "red"),  # saturation 50.2
        ((129, 129, 255), "none"),  # 49.4
        ((0, 0, 77), "red"),  # value 30.2
        ((0, 0, 76), "none"),  # 29.8
        ((128, 128, 128), "none"),
        ((150, 100, 100), "blue"),
        ((149, 100, 100), "none"),
        ((150, 101, 100), "none"),
    ],
)
def test_ranges_end_where_they_say(color: tuple[int, int, int], name: str) -> None:
    assert class_of(color, RED, BLUE) == name


def _delta_e(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """The distance in CIELAB, from the definitions: sRGB, D65."""

    def lab(bgr: tuple[int, int, int]) -> NDArray[np.float64]:
        rgb = np.array(bgr[::-1]) / 255
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        matrix = [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
        xyz = np.array(matrix) @ linear / (0.95047, 1, 1.08883)
        f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
        return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])

    return float(np.linalg.norm(lab(one) - lab(other)))


def test_the_tolerance_is_delta_e_in_cielab() -> None:
    rng = np.random.default_rng(3)
    sample = (60, 160, 50)
    seen = set()
    for _ in range(300):
        color = tuple(int(level) for level in np.clip(rng.normal(sample, 14), 0, 255))
        distance = _delta_e(color, sample)  # type: ignore[arg-type]
        if abs(distance - 15) > 0.2:  # OpenCV's own table of the cube root
            assert class_of(color, GREEN) == ("green" if distance < 15 else "none")  # type: ignore[arg-type]
            seen.add(distance < 15)
    assert seen == {True, False}


def test_of_several_classes_the_nearest_has_the_pixel() -> None:
    dark: dict[str, Any] = {"name": "dark", "samples_bgr": [[0, 0, 0], [20, 20, 20]], "tolerance": 60}
    light: dict[str, Any] = {"name": "light", "bgr_min": [40, 40, 40], "bgr_max": [200, 200, 200]}  # its middle is 120
    for classes in ([dark, light], [light, dark]):
        assert class_of((50, 50, 50), *classes) == "dark"
        assert class_of((100, 100, 100), *classes) == "light"
        assert class_of((30, 30, 30), *classes) == "dark"
    # the middle of a range of hues over 360 is red, not cyan
    wide = {"name": "wide", "hsv_min": [300, 50, 50], "hsv_max": [60, 100, 100]}
    cyan = {"name": "cyan", "samples_bgr": [[255, 255, 0]], "tolerance": 200}
    assert class_of((20, 20, 230), wide, cyan) == "wide"


def test_what_was_learned_of_a_colour_holds_for_later_frames() -> None:
    rng = np.random.default_rng(7)
    table = ColorTable([ColorClass.model_validate(each) for each in (RED, BLUE, GREEN)])
    first, second = rng.integers(0, 256, (2, 300, 400, 3), dtype=np.uint8)
    found = table.classified(first, UNHURRIED)
    assert set(np.unique(found)) == {NONE, NONE + 1, NONE + 2, NONE + 3}
    table.classified(second, UNHURRIED)
    assert (table.classified(first, UNHURRIED) == found).all()
    assert (ColorTable(table._classes).classified(first[::-1], UNHURRIED)[::-1] == found).all()


def test_a_grey_picture_has_greys() -> None:
    grey = {"name": "grey", "samples_bgr": [[100, 100, 100]], "tolerance": 5}
    image = np.full((30, 30), 100, np.uint8)
    image[:15] = 200
    assert look(image, [grey, RED], WHOLE)["colors"] == {"all": {"grey": 50.0, "red": 0.0}}


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (3, 1, 3)])
def test_pictures_of_a_few_pixels_are_measured_too(shape: tuple[int, ...]) -> None:
    black = {"name": "black", "bgr_min": [0, 0, 0], "bgr_max": [9, 9, 9]}
    assert look(np.zeros(shape, np.uint8), [black], WHOLE)["colors"] == {"all": {"black": 100.0}}


def test_a_region_outside_of_the_image_is_never_ok(tmp_path: Path) -> None:
    flow = """
        [[flow]]
        module = "color"
        classes = [{ name = "black", samples_bgr = [[0, 0, 0]], tolerance = 5 }]
        regions = [{ name = "a", region = { x = 0, y = 0, width = 9, height = 9 } }]
    """
    module = Flow.prepare(load_project(write_project(tmp_path, flow)))
    context = inspect(module, np.zeros((8, 8, 3), np.uint8)).context
    assert (context["result"], context["error"]) == (False, True)
    assert "reaches to x = 9, y = 9 px" in context["errors"][0]["message"]
    assert inspect(module, np.zeros((9, 9, 3), np.uint8)).context["result"] is True


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": []}, "at least 1 item"),
        ({"classes": [{"name": "a"}]}, "has no colour; expected hsv_min and hsv_max, or bgr_min"),
        ({"classes": [{"name": "a", "hsv_min": [0, 0, 0]}]}, "has hsv_min; expected"),
        ({"classes": [{**RED, "tolerance": 3}]}, "has hsv_max, hsv_min, tolerance; expected"),
        ({"classes": [{**RED, "hsv_max": [15, 101, 100]}]}, "saturation and value in percent up to 100"),
        ({"classes": [{**RED, "hsv_max": [15, 40, 100]}]}, "no colour would be between"),
        ({"classes": [{**BLUE, "bgr_max": [100, 255, 255]}]}, "no colour would be between"),
        ({"classes": [{**BLUE, "bgr_max": [256, 255, 255]}]}, "less than or equal to 255"),
        ({"classes": [{**GREEN, "tolerance": 0}]}, "greater than 0"),
        ({"classes": [RED, BLUE, RED]}, "have the name 'red' twice"),
        ({"regions": [WHOLE, WHOLE]}, "have the name 'all' twice"),
        ({"regions": []}, "at least 1 item"),
        (
            {"regions": [{"name": "a", "share_percent": {"rde": {"min": 1}}}]},
            r"\[0\].share_percent has 'rde', which is no",
        ),
        ({"regions": [{"name": "a", "share_percent": {"red": {"min": 5, "max": 4}}}]}, "less than min = 5"),
        ({"regions": [{"name": "a", "share_percent": {"red": {"min": 101}}}]}, "less than or equal to 100"),
    ],
)
def test_bad_options_are_told_what_was_expected(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ColorOptions.model_validate({"classes": [RED], "regions": [WHOLE], **changes})


def test_the_example_of_the_page_tells_its_fuses_apart(tmp_path: Path) -> None:
    tried = example("color", tmp_path)
    image = np.full((300, 640, 3), 200, np.uint8)
    image[95:165, 95:225] = (30, 30, 200)
    image[95:165, 395:525] = (180, 80, 30)
    context = tried.inspect(image).context
    assert context["result"] is True
    assert context["colors"]["left fuse"] == {"red": 100.0, "blue": 0.0}
    image[95:165, 395:525] = (30, 200, 200)
    context, annotated = tried.inspect(image)
    assert context["result"] is False
    assert [r["classNames"][0]["label"] for r in context["detectedRectangles"]] == ["right fuse"]
    assert (annotated != image).any()


def test_the_page_says_what_the_options_are() -> None:
    for model in (ColorOptions, ColorClass, ColorRegion, ShareLimits):
        assert table(model) in page("color")
