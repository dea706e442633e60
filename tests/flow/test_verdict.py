"""The verdict of a project: how rules combine, what the answer says of them, and what is wrong with one."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import pytest

from tests.flow.judging import SET, judged
from tests.support.projects import HEAD, RAISES_WHEN_LOOKED_AT, inspect, write_project
from tests.support.running import CHECKOUT
from workers.errors import ProjectInvalid
from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.flow.rules import KINDS

PAGE = (CHECKOUT / "docs" / "verdict.md").read_text()


@pytest.mark.parametrize(
    ("combine", "modules", "rules", "result"),
    [
        ("", True, True, True),
        ("", False, True, True),
        ("", True, False, False),
        ('combine = "overwrite"', False, True, True),
        ('combine = "and"', True, True, True),
        ('combine = "and"', False, True, False),
        ('combine = "and"', True, False, False),
        ('combine = "and"', False, False, False),
    ],
)
def test_rules_overwrite_what_modules_have_set_or_are_anded_with_it(
    tmp_path: Path, combine: str, modules: bool, rules: bool, result: bool
) -> None:
    verdict = f'[verdict]\n{combine}\nrules = [{{ rule = "score", min = {0.5 if rules else 0.9} }}]'
    context = judged(tmp_path, verdict, f"{{ score = 0.7, result = {str(modules).lower()} }}")
    assert (context["result"], context["error"]) == (result, False)


@pytest.mark.parametrize(
    ("join", "first", "second", "result"),
    [("and", 1, 1, True), ("and", 1, 9, False), ("or", 1, 9, True), ("or", 9, 9, False), ("or", 1, 1, True)],
)
def test_rules_are_joined_by_and_or_or_at_the_top_and_in_groups(
    tmp_path: Path, join: str, first: int, second: int, result: bool
) -> None:
    rules = f'{{ rule = "count", min = {first} }}, {{ rule = "count", min = {second}, name = "second" }}'
    top = judged(tmp_path / "top", f'[verdict]\njoin = "{join}"\nrules = [{rules}]')
    group = judged(tmp_path / "group", f'[verdict]\nrules = [{{ rule = "{join}", rules = [{rules}] }}]')
    inner = [
        {"rule": f"count of all: at least {first}", "holds": first == 1, "value": 3},
        {"rule": "second", "holds": second == 1, "value": 3},
    ]
    assert (top["result"], top["verdict"]) == (result, inner)
    whole = {"rule": join, "holds": result, "value": (first == 1) + (second == 1)}
    assert (group["result"], group["verdict"]) == (result, [whole, *inner])


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ("{ score = nan }", "context['score'] is nan"),
        ('{ result = "yes" }', "context['result'] is 'yes'"),
        ("{ found = 3 }", "'int' object is not iterable"),
    ],
)
def test_a_frame_with_an_error_is_never_ok(tmp_path: Path, form: str, why: str) -> None:
    context = judged(tmp_path, '[verdict]\nrules = [{ rule = "count", max = 9 }]', form)
    assert (context["result"], context["error"]) == (False, True)
    assert why in context["errors"][0]["message"]
    assert context["verdict"][0]["holds"] is True


def test_an_error_that_a_module_only_says_is_not_overwritten(tmp_path: Path) -> None:
    verdict = '[verdict]\nrules = [{ rule = "count", max = 9 }]'
    assert judged(tmp_path, verdict, "{ error = true, result = false }")["result"] is False
    assert judged(tmp_path, verdict, "{ error = false, result = false }")["result"] is True


@pytest.mark.parametrize(
    ("after_exit", "result", "entries"), [("", False, 1), ('"judge"', False, 1), ('"keep"', True, 0)]
)
@pytest.mark.parametrize("by", ["only_if", "exit"])
def test_a_flow_that_ended_early_is_judged_unless_the_project_says_keep(
    tmp_path: Path, after_exit: str, result: bool, entries: int, by: str
) -> None:
    verdict = f'[verdict]\n{after_exit and f"after_exit = {after_exit}"}\nrules = [{{ rule = "count", min = 1 }}]'
    behind = '[[flow]]\nmodule = "only_if"\nexpression = "false"' if by == "only_if" else ""
    context = judged(tmp_path, verdict, "{}" if behind else "{ exit = true }", behind)
    assert (context["result"], len(context["verdict"]), context["error"]) == (result, entries, False)
    whole = judged(tmp_path, verdict, "{}")  # to its end: judged whatever after_exit says
    assert (whole["result"], len(whole["verdict"])) == (False, 1)


def test_without_a_verdict_nothing_is_said_of_one_and_a_key_of_that_name_is_the_users(tmp_path: Path) -> None:
    assert "verdict" not in judged(tmp_path, "", "{}")
    assert judged(tmp_path, "", '{ verdict = "mine" }')["verdict"] == "mine"
    assert judged(tmp_path, '[verdict]\nrules = [{ rule = "count", max = 9 }]', '{ verdict = "mine" }')["verdict"] == [
        {"rule": "count of all: at most 9", "holds": True, "value": 0}
    ]


def test_a_value_that_raises_when_it_is_looked_at_is_an_error_of_the_frame(tmp_path: Path) -> None:
    flow = """
        [[flow]]
        module = "code"
        file = "code/odd.py"
        [[verdict.rules]]
        name = "a is large"
        rule = "expression"
        expression = "a > 0"
    """
    context = inspect(Flow.prepare(load_project(write_project(tmp_path, flow, odd=RAISES_WHEN_LOOKED_AT)))).context
    assert context["result"] is False
    assert context["errors"][0]["message"] == "the rule 'a is large' of the verdict cannot be judged: not today"
    assert context["verdict"] == [{"rule": "a is large", "holds": False, "value": None}]


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(ProjectInvalid) as caught:
        load_project(write_project(folder, text))
    return caught.value.message.splitlines()


def test_every_mistake_of_a_verdict_is_told_at_once_with_those_of_the_flow(tmp_path: Path) -> None:
    text = """
        [[flow]]
        module = "only_if"
        expression = "a ="
        [verdict]
        combine = "plus"
        joined = "or"
        [[verdict.rules]]
        rule = "cuont"
        [[verdict.rules]]
        label = "a"
        [[verdict.rules]]
        rule = "count"
        label = []
        min = -1
        [[verdict.rules]]
        rule = "count"
        [[verdict.rules]]
        rule = "area"
        label = 3
        min_px = 9
        max_px = 5.5
        [[verdict.rules]]
        rule = "or"
        rules = [{ rule = "present" }, { rule = "and", rules = [{ rule = "score", min = nan, max = 1 }] }]
        [[verdict.rules]]
        rule = "score"
        max = 0.5
        scope = "any"
        [[verdict.rules]]
        rule = "expression"
        expression = "a > > b"
        [[verdict.rules]]
        rule = "area"
        min_px = 9
        max_px = 5.5
    """
    assert sorted(mistakes(tmp_path, text)) == sorted(
        [
            "flow[0].expression: at character 3: '=' was not expected there; write ==",
            "verdict.combine: should be 'overwrite' or 'and', got 'plus'",
            "verdict.joined: is unknown; known are combine, join, after_exit, rules; did you mean join?",
            f"verdict.rules[0].rule: there is no rule 'cuont'; known are {', '.join(KINDS)}; did you mean count?",
            f"verdict.rules[1].rule: is missing; known are {', '.join(KINDS)}",
            "verdict.rules[2].label: list should have at least 1 item after validation, not 0, got a list",
            "verdict.rules[2].min: should be greater than or equal to 0, got -1",
            "verdict.rules[3]: has no limit, expected min or max, or both",
            "verdict.rules[4].label: should be a valid list, got 3",
            "verdict.rules[5].rules[0].label: is missing: label of the rectangles that count, or several",
            "verdict.rules[5].rules[1].rules[0].min: should be a finite number, got nan",
            "verdict.rules[6]: has a scope but no label: the score of the frame is one number",
            "verdict.rules[7].expression: at character 5: '>' was not expected there, but a value",
            "verdict.rules[8]: its least, 9, is more than its most, 5.5",
        ]
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[verdict]", "verdict.rules: is missing: its rules"),
        (
            "[verdict]\nrules = []",
            "verdict.rules: list should have at least 1 item after validation, not 0, got a list",
        ),
        ("[verdict]\nrules = [3]", "verdict.rules[0]: should be a valid dictionary, got 3"),
        ("[[verdict]]", "verdict: is a list, expected a table"),
        (
            "[verdict]\nrules = [" + "{ rule = 'or', rules = [" * 21 + "{ rule = 'count', min = 1 }" + "] }" * 21 + "]",
            "verdict.rules[0]" + ".rules[0]" * 19 + ".rules: is nested more than 20 deep",
        ),
        (
            "[verdict]\nrules = [" + "{ rule = 'or', rules = [{ rule = 'count', min = 1 }] }, " * 101 + "]",
            "verdict.rules: has 202 rules in all, at most 200 are allowed",
        ),
    ],
)
def test_a_verdict_that_is_none_is_told(tmp_path: Path, text: str, expected: str) -> None:
    assert mistakes(tmp_path, text) == [expected]


def test_a_project_with_a_verdict_goes_from_process_to_process(tmp_path: Path) -> None:
    rules = '{ rule = "expression", expression = "score > 1" }, { rule = "count", min = 1, label = "a" }'
    project = load_project(write_project(tmp_path, f"[verdict]\nrules = [{rules}]"))
    assert pickle.loads(pickle.dumps(project)) == project


def test_the_example_of_the_page_runs_and_says_what_it_prints(tmp_path: Path) -> None:
    blocks = dict(re.findall(r"```(\w+)\n(.*?)```", PAGE, flags=re.DOTALL))
    found = [["screw", 9.0, 1.0]] * 3 + [["scratch", 100.0, 1.0], ["scratch", 50.0, 1.0]]
    write_project(tmp_path, set=SET)
    step = f'[[flow]]\nmodule = "code"\nfile = "code/set.py"\nform = {{ found = {json.dumps(found)} }}\n'
    (tmp_path / "framemill.toml").write_text(HEAD + step + blocks["toml"])
    context = inspect(Flow.prepare(load_project(tmp_path))).context
    assert {key: context[key] for key in ("result", "verdict")} == json.loads(blocks["json"])
