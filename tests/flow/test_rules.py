"""The rules of a verdict: each kind and scope holds or not, says what it found, and is null-safe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.flow.judging import FOUND, judged


def rule_judged(folder: Path, rule: str, form: str = f"{{ found = {FOUND} }}") -> tuple[bool, Any]:
    context = judged(folder, f"[verdict]\nrules = [{{ {rule} }}]", form)
    assert not context["errors"]
    (entry,) = context["verdict"]
    assert entry["holds"] is context["result"]
    return entry["holds"], entry["value"]


@pytest.mark.parametrize(
    ("rule", "holds", "value"),
    [
        ('rule = "count", min = 3, max = 3', True, 3),
        ('rule = "count", max = 2', False, 3),
        ('rule = "count", min = 4', False, 3),
        ('rule = "count", label = "screw", min = 2', True, 2),
        ('rule = "count", label = "second", min = 1', False, 0),  # the first class name wins
        ('rule = "count", label = ["screw", "nut"], min = 3, max = 3', True, 3),
        ('rule = "count", label = ["screw", "nut"], min = 1, scope = "every"', True, [2, 1]),
        ('rule = "count", label = ["screw", "nut"], min = 2, scope = "every"', False, [2, 1]),
        ('rule = "count", label = ["screw", "nut"], min = 2, scope = "any"', True, [2, 1]),
        ('rule = "count", label = ["screw", "nut"], min = 3, scope = "any"', False, [2, 1]),
        ('rule = "area", label = "screw", min_px = 100, max_px = 150', True, [100.0, 150.0]),
        ('rule = "area", label = "screw", max_px = 149.9', False, [100.0, 150.0]),
        ('rule = "area", label = "screw", max_px = 149.9, scope = "any"', True, [100.0, 150.0]),
        ('rule = "area", label = "screw", max_px = 99, scope = "any"', False, [100.0, 150.0]),
        ('rule = "area", label = "screw", min_px = 250, max_px = 250, scope = "together"', True, 250.0),
        ('rule = "area", label = "screw", max_px = 200, scope = "together"', False, 250.0),
        ('rule = "area", min_px = 40', True, [100.0, 150.0, 40.0]),
        ('rule = "area", min_px = 290, scope = "together"', True, 290.0),
        ('rule = "area", label = "crack", max_px = 5', True, []),  # every one of none
        ('rule = "area", label = "crack", max_px = 5, scope = "any"', False, []),
        ('rule = "area", label = "crack", max_px = 5, scope = "together"', True, 0),
        ('rule = "score", label = "screw", min = 0.5', True, [0.9, 0.5]),
        ('rule = "score", label = "screw", min = 0.6', False, [0.9, 0.5]),
        ('rule = "score", label = "screw", min = 0.6, scope = "any"', True, [0.9, 0.5]),
        ('rule = "score", label = "screw", min = 0.7, max = 0.7, scope = "together"', True, 0.7),
        ('rule = "score", label = "crack", min = 0.0, scope = "together"', False, None),  # no mean of none
        ('rule = "present", label = "nut"', True, 1),
        ('rule = "present", label = "crack"', False, 0),
        ('rule = "present", label = ["screw", "crack"]', False, 2),
        ('rule = "present", label = ["screw", "crack"], scope = "any"', True, 2),
        ('rule = "present", label = ["screw", "crack"], scope = "together"', True, 2),
        ('rule = "present", label = "crack", present = false', True, 0),
        ('rule = "present", label = ["screw", "crack"], present = false', False, 2),
        ('rule = "present", label = ["screw", "crack"], present = false, scope = "any"', True, 2),
        ('rule = "present", label = ["screw", "crack"], present = false, scope = "together"', False, 2),
        ('rule = "expression", expression = \'count("screw") == 2\'', True, True),
        ('rule = "expression", expression = "count() - 3"', False, 0),
        ('rule = "expression", expression = "gap_mm < 2"', False, False),
        ('rule = "expression", expression = "gap_mm"', False, None),
        ('rule = "expression", expression = "detectedRectangles"', True, None),  # too much for an answer
    ],
)
def test_a_rule_holds_or_not_and_says_what_it_found(tmp_path: Path, rule: str, holds: bool, value: object) -> None:
    assert rule_judged(tmp_path, rule) == (holds, value)


@pytest.mark.parametrize(("limits", "holds"), [("max = 0.5", False), ("min = 0.5, max = 0.7", True), ("max = 1", True)])
def test_the_score_of_the_frame_has_limits(tmp_path: Path, limits: str, holds: bool) -> None:
    assert rule_judged(tmp_path, f'rule = "score", {limits}', "{ score = 0.7 }") == (holds, 0.7)


NOTHING = {
    'rule = "count", min = 1': 0,
    'rule = "count", label = "a", min = 1': 0,
    'rule = "area", min_px = 0, scope = "any"': [],
    'rule = "score", label = "a", min = 0, scope = "together"': None,
    'rule = "present", label = "a"': 0,
    'rule = "expression", expression = "missing > 0"': False,
}


@pytest.mark.parametrize("rule", NOTHING)
def test_what_is_not_there_holds_no_rule(tmp_path: Path, rule: str) -> None:
    assert rule_judged(tmp_path, rule, "{}") == (False, NOTHING[rule])


def test_an_answer_tells_at_most_a_hundred_values(tmp_path: Path) -> None:
    many = [["a", 5.0, 1.0]] * 150 + [["a", 6.0, 1.0]]
    holds, value = rule_judged(tmp_path, 'rule = "area", max_px = 5', f"{{ found = {many} }}")
    assert (holds, value) == (False, [5.0] * 100)
