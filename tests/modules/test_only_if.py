"""The module `only_if`: the flow goes on, or ends as by exit; and what its page shows works as printed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.projects import HEAD, RAISES_WHEN_LOOKED_AT, frame, inspect, write_project
from tests.support.running import CHECKOUT
from workers.errors import ProjectInvalid
from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.modules.only_if.options import OnlyIfOptions

PAGE = (CHECKOUT / "docs" / "modules" / "only_if.md").read_text()
SET = "def main(context, form): context.update(form)"
MARK = "def main(context): context['went on'] = True"


def flow_with(folder: Path, expression: str, form: str = "{}") -> Flow:
    flow = f"""
        [[flow]]
        module = "code"
        file = "code/set.py"
        form = {form}
        [[flow]]
        module = "only_if"
        expression = '{expression}'
        [[flow]]
        module = "code"
        file = "code/mark.py"
    """
    return Flow.prepare(load_project(write_project(folder, flow, set=SET, mark=MARK)))


@pytest.mark.parametrize("result", [True, False])
@pytest.mark.parametrize(("score", "goes_on"), [("0.7", True), ("0.3", False)])
def test_the_flow_goes_on_where_it_holds_and_ends_with_the_result_as_it_is_else(
    tmp_path: Path, result: bool, score: str, goes_on: bool
) -> None:
    form = f"{{ score = {score}, result = {str(result).lower()} }}"
    context = inspect(flow_with(tmp_path, "score > 0.5", form)).context
    assert context.get("went on", False) is goes_on
    assert (context["result"], context["error"], context["errors"]) == (result, False, [])


def test_it_sees_the_data_of_the_request_and_an_empty_context(tmp_path: Path) -> None:
    flow = flow_with(tmp_path, 'data == "M4" and missing is null')
    assert "went on" in inspect(flow, data="M4").context
    assert "went on" not in inspect(flow, data="").context


@pytest.mark.parametrize("image", [frame(), frame()[:, :, 0].copy(), np.zeros((1, 1), np.uint8)])
def test_it_leaves_any_image_as_it_is(tmp_path: Path, image: NDArray[np.uint8]) -> None:
    for expression in ("true", "false"):
        flow = f'[[flow]]\nmodule = "only_if"\nexpression = "{expression}"'
        inspection = inspect(Flow.prepare(load_project(write_project(tmp_path, flow))), image)
        assert inspection.image is image
        assert inspection.heat is None


def test_in_a_branch_it_ends_that_branch(tmp_path: Path) -> None:
    step = '{ module = "code", file = "code/box.py", form = { x = X } }'
    flow = f"""
        [[flow]]
        module = "parallel"
        branches = [
            [{{ module = "only_if", expression = "false" }}, {step.replace("X", "1")}],
            [{{ module = "only_if", expression = "true" }}, {step.replace("X", "2")}],
        ]
        [[flow]]
        module = "code"
        file = "code/mark.py"
    """
    box = (
        "def main(context, form):\n    context['detectedRectangles'].append({**form, 'y': 0, 'width': 1, 'height': 1})"
    )
    context = inspect(Flow.prepare(load_project(write_project(tmp_path, flow, box=box, mark=MARK)))).context
    assert [each["x"] for each in context["detectedRectangles"]] == [2]
    assert context["went on"] is True


def test_a_value_that_raises_when_it_is_looked_at_makes_the_frame_nok(tmp_path: Path) -> None:
    flow = """
        [[flow]]
        module = "code"
        file = "code/odd.py"
        [[flow]]
        module = "only_if"
        name = "late"
        expression = "a > 0"
    """
    context = inspect(Flow.prepare(load_project(write_project(tmp_path, flow, odd=RAISES_WHEN_LOOKED_AT)))).context
    assert context["result"] is False
    (entry,) = context["errors"]
    assert entry["message"] == "the expression cannot be computed: not today"
    assert (entry["type"], entry["module"], entry["moduleId"]) == ("RuntimeError", "late", 2)


def test_bad_options_are_told_with_key_and_place(tmp_path: Path) -> None:
    tables = ["expression = 'score >'", "expression = 3", "", "expression = ''", "expression = '1'\nwhen = '1'"]
    flow = "\n".join(f'[[flow]]\nmodule = "only_if"\n{table}' for table in tables)
    with pytest.raises(ProjectInvalid) as caught:
        load_project(write_project(tmp_path, flow))
    assert caught.value.message.splitlines() == [
        "flow[0].expression: at character 8: ends too early, expected a value",
        "flow[1].expression: should be a valid string, got 3",
        "flow[2].expression: is missing: expression over the context",
        "flow[3].expression: string should have at least 1 character, got ''",
        "flow[4].when: is unknown; known are module, name, enabled, limit_ms, expression",
    ]


def test_the_example_of_its_page_runs(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "framemill.toml").write_text(HEAD + re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)[0])
    box = "{'x': 0, 'y': 0, 'width': 2, 'height': 2, 'classNames': [{'label': context['data']}]}"
    (tmp_path / "code" / "find_board.py").write_text(
        f"def main(context):\n    context['detectedRectangles'].append({box})"
    )
    (tmp_path / "code" / "slow_check.py").write_text(MARK)
    flow = Flow.prepare(load_project(tmp_path))
    assert "went on" in inspect(flow, data="board").context
    assert "went on" not in inspect(flow, data="hand").context


def test_the_page_names_every_option_and_shows_a_true_mistake(tmp_path: Path) -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGE.partition("## Expressions")[0], flags=re.MULTILINE)
    assert {*rows, "module"} == OnlyIfOptions.model_fields.keys()
    blocks = re.findall(r"```(\w*)\n(.*?)```", PAGE, flags=re.DOTALL)
    examples, mistake = [block for language, block in blocks if not language]
    for line in examples.splitlines():
        assert OnlyIfOptions(module="only_if", expression=line)
    flow = """
        [[flow]]
        module = "only_if"
        expression = "true"
        [[flow]]
        module = "only_if"
        expression = 'count("board") = 1'
    """
    with pytest.raises(ProjectInvalid) as caught:
        load_project(write_project(tmp_path, flow))
    assert caught.value.message == mistake.strip()
