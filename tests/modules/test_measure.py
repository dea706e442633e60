"""The module `measure` on drawn parts whose sizes are known to a hundredth of a pixel."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.modules.gap import GAP, measured, part, value
from tests.modules.pages import example
from tests.modules.scenes import box, disc, flat, half_plane, seen
from tests.support.projects import inspect, write_project
from workers.flow.flow import Flow
from workers.flow.project import load_project


@pytest.mark.parametrize("colour", [False, True])
def test_lengths_are_those_of_the_part(colour: bool) -> None:
    image = np.asarray(cv2.cvtColor(part(), cv2.COLOR_GRAY2BGR), np.uint8) if colour else part()
    context = measured(
        image,
        GAP,
        {"kind": "edge", "name": "left", "start": [5, 150], "end": [40, 150]},
        {"kind": "line", "name": "a", "start": [100, 60], "end": [100, 240]},
        {"kind": "line", "name": "b", "start": [181, 60], "end": [181, 240]},
        {"kind": "line", "name": "top", "start": [30, 41], "end": [90, 41]},
        {"kind": "circle", "name": "hole", "centre": [302, 149], "radius_px": 29},
        {"kind": "circle", "name": "round", "centre": [302, 149], "radius_px": 29, "value": "roundness"},
        {"kind": "corner", "name": "corner", "between": ["a", "top"]},
        {"kind": "distance", "name": "sides", "between": ["a", "b"]},
        {"kind": "distance", "name": "hole to side", "between": ["hole", "b"]},
        {"kind": "distance", "name": "hole to corner", "between": ["corner", "hole"]},
        {"kind": "angle", "name": "square", "between": ["a", "top"]},
    )
    values = {name: found["value"] for name, found in context["measures"].items()}
    assert values == {
        "gap": pytest.approx(80.3, abs=0.03),
        "left": pytest.approx(15.3, abs=0.03),
        "a": pytest.approx(0, abs=0.02),
        "b": pytest.approx(0, abs=0.02),
        "top": pytest.approx(0, abs=0.05),
        "hole": pytest.approx(60.5, abs=0.02),
        "round": pytest.approx(0.1, abs=0.1),
        "sides": pytest.approx(80.3, abs=0.02),
        "hole to side": pytest.approx(300.4 - 181.1, abs=0.02),
        "hole to corner": pytest.approx(math.hypot(300.4 - 100.8, 150.7 - 40.6), abs=0.03),
        "square": pytest.approx(90, abs=0.05),
    }
    assert {found["unit"] for name, found in context["measures"].items() if name in {"gap", "hole", "sides"}} == {"px"}
    assert {context["measures"][name]["unit"] for name in ("a", "square")} == {"deg"}
    assert (context["result"], context["worked"], context["noted"]) == (True, True, [])


@pytest.mark.parametrize("degrees", [0, 0.5, 7, 30, 45, 63.4, 90, 135, 200, -20])
def test_an_edge_is_placed_the_same_at_all_angles_and_between_all_pixels(degrees: float) -> None:
    turn = math.radians(degrees)
    ahead = np.array([math.cos(turn), math.sin(turn)])
    errors = []
    for step, phase in enumerate(np.linspace(0, 1, 9)[:-1]):
        picture = flat(100, 100)
        middle = np.array([50.3, 49.6])
        half_plane(picture, tuple(middle + ahead * phase), degrees, 180)
        tool = {"kind": "edge", "name": "e", "start": list(middle - 20 * ahead), "end": list(middle + 20 * ahead)}
        noisy = [value(seen(picture, 5, 8 * step + seed), tool) for seed in range(8)]
        errors.append(float(np.mean(noisy)) - 20 - phase)
        assert np.std(noisy) < 0.03
    assert abs(np.mean(errors)) < 0.006
    assert np.abs(errors).max() < 0.02


def test_first_last_strongest_and_polarity_say_which_edge_counts() -> None:
    picture = flat(60, 200)
    box(picture, 40, 0, 200, 60, 100)
    box(picture, 80, 0, 200, 60, 200)
    box(picture, 120, 0, 200, 60, 120)
    box(picture, 160, 0, 200, 60, 160)
    image = seen(picture, 1)
    tool = {"kind": "edge", "name": "e", "start": [10, 30], "end": [190, 30]}
    places: dict[float, dict[str, Any]] = {
        40: {"which": "first"},
        80: {"which": "strongest"},
        160: {"which": "last"},
        120: {"polarity": "light_to_dark"},
        40.001: {"which": "first", "polarity": "dark_to_light"},
        80.001: {"which": "first", "min_contrast_levels": 60},
    }
    for place, options in places.items():
        assert value(image, {**tool, **options}) == pytest.approx(place - 10, abs=0.05), options
    turned = {**tool, "start": [190, 30], "end": [10, 30], "which": "first", "polarity": "light_to_dark"}
    assert value(image, turned) == pytest.approx(190 - 160, abs=0.05)


def test_a_width_is_that_of_the_pair_that_is_asked_for() -> None:
    picture = flat(60, 300)
    box(picture, 50, 0, 70.4, 60, 100)  # weak, then strong
    box(picture, 120, 0, 150.7, 60, 200)
    image = seen(picture, 1)
    tool = {"kind": "width", "name": "w", "start": [10, 30], "end": [200, 30]}
    places: dict[float, dict[str, Any]] = {
        20.4: {"which": "first"},
        30.7: {"which": "strongest"},
        30.701: {"which": "last"},
        100.7: {"which": "outermost"},
        49.6: {"which": "first", "polarity": "light_to_dark"},
        30.702: {"which": "first", "min_contrast_levels": 100},
    }
    for width, options in places.items():
        assert value(image, {**tool, **options}) == pytest.approx(width, abs=0.05), options


def test_a_fine_line_is_measured_with_less_smoothing() -> None:
    picture = flat(60, 100)
    box(picture, 50.3, 0, 54.5, 60, 200)
    tool = {"kind": "width", "name": "w", "start": [30, 30], "end": [75, 30], "smoothing_px": 0.7}
    assert value(seen(picture, 1), tool) == pytest.approx(4.2, abs=0.05)


def test_lines_and_circles_pass_by_what_does_not_belong_to_them() -> None:
    picture = flat(300, 400)
    box(picture, 20, 20, 120.5, 280, 180)
    disc(picture, 270, 150, 60.5, 180)
    for y in (80, 95, 150):  # burrs and dirt on a third of both
        box(picture, 120, y, 127, y + 12, 180)
    box(picture, 320, 130, 340, 170, 180)
    box(picture, 205, 140, 222, 165, 60)
    image = seen(picture, 2)
    line = {"kind": "line", "name": "side", "start": [120, 40], "end": [120, 260], "value": "straightness"}
    circle = {"kind": "circle", "name": "disc", "centre": [271, 149], "radius_px": 60}
    edge = {"kind": "edge", "name": "here", "start": [5, 270], "end": [35, 270]}
    context = measured(image, line, circle, edge, {"kind": "distance", "name": "across", "between": ["here", "side"]})
    values = {name: found["value"] for name, found in context["measures"].items()}
    assert values["disc"] == pytest.approx(121, abs=0.05)
    assert values["across"] == pytest.approx(100.5, abs=0.05)
    assert values["side"] > 5  # what does not belong to the line makes it crooked all the same


def test_an_arc_is_enough_for_a_circle() -> None:
    picture = flat(200, 200)
    disc(picture, 100.2, 99.7, 70.3, 180)
    box(picture, 0, 0, 200, 60, 60)
    arc = {"kind": "circle", "name": "arc", "centre": [101, 99], "radius_px": 70, "value": "radius"}
    assert value(seen(picture, 2), {**arc, "start_degrees": 10, "sweep_degrees": 160}) == pytest.approx(70.3, abs=0.1)


def test_a_tilted_line_says_by_how_much() -> None:
    picture = flat(200, 200)
    half_plane(picture, (100, 100), 92.5, 180)  # what is below of a line that falls to the left
    tool = {"kind": "line", "name": "tilt", "start": [30, 100], "end": [170, 100]}
    assert value(seen(picture, 2), tool) == pytest.approx(2.5, abs=0.02)
    back = {**tool, "start": [170, 100], "end": [30, 100]}
    assert value(seen(picture, 2), back) == pytest.approx(2.5, abs=0.02)


def test_the_example_of_the_page_measures_its_picture(tmp_path: Path) -> None:
    tried = example("measure", tmp_path)
    picture = flat(400, 640, 205)
    box(picture, 40, 60, 600, 350, 45)
    box(picture, 180, 60, 220.4, 270, 205)
    disc(picture, 440.2, 200.3, 80.6, 205)
    context, annotated = tried.inspect(seen(picture, 3))
    assert context["result"] is True
    assert context["measures"]["gap"]["value"] == pytest.approx(40.4, abs=0.03)
    assert context["measures"]["hole"]["value"] == pytest.approx(161.2, abs=0.03)
    assert context["measures"]["hole to gap"]["value"] == pytest.approx(440.2 - 220.4, abs=0.03)
    assert (annotated != annotated[..., :1]).any()


MOVES = {
    "crop": '{ do = "crop", x = 10, y = 20, width = 380, height = 270 }',
    "half": '{ do = "resize", factor = 0.5 }',
    "quarter turn": '{ do = "rotate", degrees = 90 }',
    "turned": '{ do = "rotate", degrees = 5 }',
    "mirrored": '{ do = "flip", along = "horizontal" }',
}
TOOLS = {  # where the gap and the hole are in the moved image
    "crop": ([70, 130], [210, 130], [290, 130], 30),
    "half": ([40, 75], [110, 75], [150, 75], 15),
    "quarter turn": ([150, 80], [150, 220], [150, 300], 30),
    "turned": ([92.7, 159.4], [232.2, 171.6], [311.9, 178.6], 30),
    "mirrored": ([320, 150], [180, 150], [100, 150], 30),
}


@pytest.mark.parametrize("move", MOVES)
def test_values_and_lines_are_of_the_frame_whatever_was_done_to_the_image(tmp_path: Path, move: str) -> None:
    start, end, centre, radius = TOOLS[move]
    flow = f"""
        [[flow]]
        module = "preprocess"
        steps = [{MOVES[move]}]

        [[flow]]
        module = "measure"
        tools = [
            {{ kind = "width", name = "gap", start = {start}, end = {end}, width_px = 15 }},
            {{ kind = "circle", name = "hole", centre = {centre}, radius_px = {radius}, search_px = 12 }},
        ]
    """
    context = inspect(Flow.prepare(load_project(write_project(tmp_path, flow))), part()).context
    assert context["errors"] == []
    values = {name: found["value"] for name, found in context["measures"].items()}
    assert values == {"gap": pytest.approx(80.3, abs=0.4), "hole": pytest.approx(60.5, abs=0.1)}
    gap, hole = context["lines"]
    assert gap["start"]["x"] == pytest.approx(100.8, abs=0.1)
    assert gap["end"]["x"] == pytest.approx(181.1, abs=0.1)
    assert hole["centre"] == {"x": pytest.approx(300.4, abs=0.1), "y": pytest.approx(150.7, abs=0.1)}


def test_lines_of_code_in_a_moved_image_come_to_the_frame(tmp_path: Path) -> None:
    flow = """
        [[flow]]
        module = "preprocess"
        steps = [{ do = "crop", x = 10, y = 20, width = 100, height = 100 }, { do = "resize", factor = 2.0 }]

        [[flow]]
        module = "code"
        file = "code/lines.py"
    """
    code = """
        def main(context):
            line = {"start": {"x": 2, "y": 4}, "end": {"x": 22, "y": 4}, "length": 20, "label": "own"}
            context["lines"] += [line, {"start": [1, 2]}, "nothing"]
    """
    module = Flow.prepare(load_project(write_project(tmp_path, flow, lines=code)))
    own, *others = inspect(module, part()).context["lines"]
    assert own == {"start": {"x": 11, "y": 22}, "end": {"x": 21, "y": 22}, "length": 10, "label": "own"}
    assert others == [{"start": [1, 2]}, "nothing"]
