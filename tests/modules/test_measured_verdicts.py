"""The module `measure`: limits, what is not found, the form of what it leaves, and its options."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tests.modules.gap import GAP, measured, part
from tests.modules.pages import page, table
from tests.support.projects import inspect, surroundings_in, write_project
from workers.context.context import new_context
from workers.context.expression import expression
from workers.context.run import Run
from workers.errors import DeadlineExceeded, ProjectInvalid
from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.modules.measure.module import prepare
from workers.modules.measure.options import MeasureOptions
from workers.modules.measure.tool_options import (
    CircleTool,
    DistanceTool,
    EdgeTool,
    LineTool,
    ToolOptions,
    WidthTool,
)

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
    assert context["worked"] is False  # the flow ends there, and what has errors is never OK
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


def test_what_branches_have_measured_comes_together(tmp_path: Path) -> None:
    gap = 'kind = "width", start = [80, 150], end = [220, 150]'
    flow = f"""
        [[flow]]
        module = "measure"
        tools = [{{ {gap}, name = "before" }}]

        [[flow]]
        module = "parallel"
        branches = [
            [{{ module = "measure", tools = [{{ {gap}, name = "one" }}] }}],
            [{{ module = "measure", tools = [{{ {gap}, name = "two", max = 70 }}] }}],
        ]
    """
    context = inspect(Flow.prepare(load_project(write_project(tmp_path, flow))), part()).context
    assert [*context["measures"]] == ["before", "one", "two"]
    assert [line["label"] for line in context["lines"]] == ["before", "one", "two"]
    assert context["result"] is False


def test_a_deadline_holds_between_tools() -> None:
    context, run = new_context(part(), ""), Run.start(time.monotonic_ns())
    module = prepare(MeasureOptions.model_validate({"tools": [GAP]}), surroundings_in(Path()))
    with pytest.raises(DeadlineExceeded, match="was over while a module was at work"):
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


def test_the_page_says_what_the_options_are() -> None:
    text = page("measure")
    assert table(MeasureOptions) in text
    assert table(ToolOptions) in text
    for tool in (EdgeTool, WidthTool, LineTool, CircleTool, DistanceTool):
        assert table(tool, without=ToolOptions) in text, tool.__name__


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
