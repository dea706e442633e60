"""The module `measure` on drawn parts whose sizes are known to a hundredth of a pixel."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from tests.modules.scenes import box, disc, flat, half_plane, seen
from tests.support.projects import inspect, surroundings_in, write_project
from workers.context.context import new_context
from workers.context.expression import expression
from workers.context.run import Run
from workers.errors import DeadlineExceeded, ProjectInvalid
from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.modules.measure.module import prepare
from workers.modules.measure.options import MeasureOptions

Image = NDArray[np.uint8]

GAP = {"kind": "width", "name": "gap", "start": [80, 150], "end": [220, 150]}


def measured(image: Image, *tools: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Return the context behind the module; what it noted is under `noted`."""
    frame = image.copy()
    frame.flags.writeable = False
    context, run = new_context(frame, ""), Run.start(2**62)
    run.frame_px = frame.shape[0], frame.shape[1]
    module = prepare(MeasureOptions.model_validate({"tools": [*tools], **options}), surroundings_in(Path()))
    context["worked"] = module(context, run)
    context["noted"] = [entry["message"] for entry in run.errors]
    return context


def value(image: Image, *tools: dict[str, Any]) -> float:
    """Return the value of the last of the tools."""
    found: float = measured(image, *tools)["measures"][tools[-1]["name"]]["value"]
    return found


def part(noise: float = 2.0) -> Image:
    """Two bright plates, from x = 20.3 to 100.8 and from 181.1 to 280, and a dark hole of radius 30.25; (300, 400)."""
    picture = flat(300, 400)
    box(picture, 20.3, 40.6, 100.8, 260, 180)
    box(picture, 181.1, 40.6, 380, 260, 180)
    disc(picture, 300.4, 150.7, 30.25, 60)
    return seen(picture, noise)


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


LIMITS = [({"min": 80, "max": 80.5}, True), ({"max": 80}, False), ({"min": 81}, False), ({"min": 80}, True)]


@pytest.mark.parametrize(("limits", "right"), LIMITS)
def test_limits_make_the_result(limits: dict[str, float], right: bool) -> None:
    context = measured(part(), {**GAP, **limits})
    found = context["measures"]["gap"]
    assert (context["result"], found["ok"]) == (right, right)
    assert (found["min"], found["max"]) == (limits.get("min"), limits.get("max"))
    (line,) = context["lines"]
    assert line["ok"] is right
    assert expression(f"measures.gap.value {'>' if right else '<'} 0 or measures.gap.ok").holds(context) is right


def test_what_has_no_limits_makes_no_frame_ok() -> None:
    image = part()
    context = new_context(image, "")
    context["result"] = False
    run = Run.start(2**62)
    prepare(MeasureOptions.model_validate({"tools": [GAP]}), surroundings_in(Path()))(context, run)
    assert (context["result"], context["lines"][0]["ok"]) == (False, None)


NOTHING = {"kind": "edge", "name": "no edge", "start": [110, 20], "end": [170, 20]}


def test_what_is_not_found_is_nok_and_shown() -> None:
    tools: list[dict[str, Any]] = [NOTHING, GAP, {"kind": "distance", "name": "d", "between": ["no edge", "gap"]}]
    context = measured(part(), *tools)
    assert (context["result"], context["worked"], context["noted"]) == (False, True, [])
    found = context["measures"]["no edge"]
    assert (found["value"], found["ok"], found["reason"]) == (None, False, "there is not an edge of 20 levels")
    assert context["measures"]["d"]["reason"] == "no edge was not found"
    assert context["measures"]["gap"]["ok"] is True
    (rectangle,) = context["detectedRectangles"]
    assert rectangle["classNames"][0]["label"] == "no edge not found"
    assert [rectangle[key] for key in ("x", "y", "width", "height")] == [110, 0, 60, 40]
    context = measured(part(), *tools, not_found="error")
    assert (context["result"], context["worked"]) == (False, False)
    assert context["noted"][0] == "no edge: there is not an edge of 20 levels"


@pytest.mark.parametrize(
    "tool",
    [
        {"kind": "width", "start": [110, 20], "end": [170, 20]},
        {"kind": "width", "start": [80, 150], "end": [150, 150]},
        {"kind": "line", "start": [140, 60], "end": [140, 240]},
        {"kind": "circle", "centre": [140, 100], "radius_px": 30},
        {"kind": "circle", "centre": [300, 150], "radius_px": 30, "polarity": "light_to_dark"},
        {"kind": "line", "start": [100, 10], "end": [100, 80], "min_found_percent": 80},
    ],
)
def test_nothing_there_is_never_ok(tool: dict[str, Any]) -> None:
    context = measured(part(), {**tool, "name": "t", "min": 0})
    found = context["measures"]["t"]
    assert (context["result"], found["value"], found["ok"]) == (False, None, False)
    assert found["reason"]


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (3, 200), (300, 120)])
def test_images_that_end_before_the_search_does_are_errors(shape: tuple[int, ...]) -> None:
    context = measured(np.full(shape, 90, np.uint8), GAP)
    assert (context["result"], context["worked"]) == (False, False)
    (message,) = context["noted"]
    assert message.startswith("gap: the search reaches from x = 80")


def test_lines_have_the_form_of_the_vendors() -> None:
    (line,) = measured(part(), GAP)["lines"]
    assert line == {
        "id": 1,
        "start": {"x": pytest.approx(100.8, abs=0.03), "y": 150.0},
        "end": {"x": pytest.approx(181.1, abs=0.03), "y": 150.0},
        "angle": 0.0,
        "width": 40.0,
        "length": pytest.approx(80.3, abs=0.03),
        "label": "gap",
        "method": "width",
        "percent": False,
        "value": line["length"],
        "unit": "px",
        "ok": None,
    }


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


def test_a_deadline_holds_between_tools() -> None:
    context, run = new_context(part(), ""), Run.start(time.monotonic_ns())
    module = prepare(MeasureOptions.model_validate({"tools": [GAP]}), surroundings_in(Path()))
    with pytest.raises(DeadlineExceeded, match="before 'gap' was measured"):
        module(context, run)


def test_calipers_that_would_take_too_long_are_a_mistake_of_the_project() -> None:
    tool = {"kind": "line", "name": "l", "start": [0, 0], "end": [90000, 0], "search_px": 2000, "calipers": 200}
    with pytest.raises(ProjectInvalid, match="too many and too large"):
        prepare(MeasureOptions.model_validate({"tools": [tool]}), surroundings_in(Path()))


@pytest.mark.parametrize(
    ("tools", "message"),
    [
        ([], "at least 1 item"),
        ([GAP, GAP], "two tools of the name 'gap'"),
        ([{**GAP, "start": [1, 1], "end": [2, 2]}], "less than 4 px apart"),
        ([{**GAP, "min": 2, "max": 1}], "less than min = 2"),
        ([{**GAP, "unit": "mm"}], "in mm and no calibration"),
        ([{**GAP, "which": "any"}], "'outermost'"),
        ([{**GAP, "start": [1, float("nan")]}], "finite number"),
        ([{"kind": "distance", "name": "d", "between": ["gap", "a"]}, GAP], "no tool of that name stands before it"),
        ([GAP, {"kind": "angle", "name": "d", "between": ["gap", "gap"]}], "expected lines"),
        ([GAP, {"kind": "distance", "name": "d", "between": ["gap", "gap"]}], "and itself"),
        ([{"kind": "circle", "name": "c", "centre": [9, 9], "radius_px": 10}], "expected less than radius_px = 10"),
        ([{"kind": "corner", "name": "c", "between": ["a", "b"], "min": 1}], "has no value"),
    ],
)
def test_bad_options_are_told_what_was_expected(tools: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        MeasureOptions.model_validate({"tools": tools})


def test_a_mistake_in_a_tool_has_the_path_of_the_file(tmp_path: Path) -> None:
    flow = """
        [[flow]]
        module = "measure"
        calibration = "camera.json"
        tools = [{ kind = "circle", name = "hole", centre = [10, 10], radius = 5 }]
    """
    with pytest.raises(ProjectInvalid) as raised:
        load_project(write_project(tmp_path, flow))
    lines = raised.value.message.splitlines()
    assert lines[0] == "flow[0].tools[0].radius_px: is missing: its radius on a good part"
    assert lines[1].endswith("did you mean radius_px?")
    assert lines[2] == "flow[0].calibration: camera.json does not exist in the project"
