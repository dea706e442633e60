"""Expressions over a context: what they give, that null is never right, that nothing of a project's runs away."""

from __future__ import annotations

import subprocess
import sys
import time
from enum import StrEnum
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.running import CHECKOUT
from workers.context.expression import expression
from workers.context.plain_values import ExpressionError


class Colour(StrEnum):
    RED = "red"


def box(*labels: str) -> dict[str, Any]:
    return {"width": 30, "height": 20, "classNames": [{"label": label} for label in labels]}


CONTEXT: dict[str, Any] = {
    "score": 0.7,
    "result": True,
    "data": "M4",
    "measures": {"gap": {"value": 2.5}, "last part": "in"},
    "detectedRectangles": [box("screw"), box("screw", "nut"), box("nut", "screw"), {}, 3],
    "broken": float("nan"),
    "numpy": {"bool": np.bool(True), "int": np.uint8(200), "float": np.float32(0.5), "nan": np.float64("nan")},
    "image": np.zeros((4, 4), np.uint8),
    "colour": Colour.RED,
    "allowed": ["M3", "M4", 5, None, {}],
    "orange": 3,
    "id": 2**63 + 1,
    "huge": 10**400,
    "Přístroj": 7,
    "empty": [],
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("score > 0.5", True),
        ("score>=.7", None),  # numbers begin with a digit
        ("score >= 0.7 and score <= 0.7", True),
        ("1 + 2 * 3 - 4 / 2", 5.0),
        ("10 - 2 - 3", 5),
        ("-score < 0", True),
        ("--2", 2),
        ("(1 + 2) * 3 == 9", True),
        ("1e3 == 1000", True),
        ("true == result", True),
        ("false or not false", True),
        ("not score > 1 and 1 < 2 or false", True),
        ("false and false or true", True),
        ("true or true and false", True),
        ("data == 'M4' and data != \"M5\"", True),
        ("data < 'M5'", True),
        ("data == 4", False),
        ("data != 4", True),
        ("data < 4", False),
        ("measures.gap.value * 2", 5.0),
        ('measures["last part"] == "in"', True),
        ('detectedRectangles[0].width / detectedRectangles[-5]["height"]', 1.5),
        ("detectedRectangles[0].classNames[0].label", "screw"),
        ("count('screw')", 2),
        ("count('nut') + count('nothing')", 1),
        ("count()", 5),
        ("len(detectedRectangles) == 5 and len(data) == 2 and len(measures) == 2", True),
        ("abs(-3) + min(4, 2, 3) + max(1, 1.5)", 6.5),
        ("data in allowed and 5 in allowed", True),
        ("'gap' in measures and 'a' not in measures", True),
        ("'M' in data and 'X' not in data", True),
        ("numpy.bool == true and numpy.int + 100 == 300 and numpy.float == 0.5", True),
        ("colour == 'red'", True),
        ("orange + 1", 4),
        ("id == 9223372036854775809 - 0", None),  # a number of an expression has 64 bits
        ("id > 9e18", True),
        ("Přístroj == 7", True),
        ("broken is null and missing is null and image is null", True),
        ("score is not null", True),
        ("score\n  > 0.5", True),
    ],
)
def test_an_expression_gives_what_it_says(text: str, value: object) -> None:
    if value is None:
        with pytest.raises(ExpressionError):
            expression(text)
    else:
        assert expression(text).value(CONTEXT) == value
        assert type(expression(text).value(CONTEXT)) is type(value)


@pytest.mark.parametrize(
    "operand",
    ["missing", "score.missing", "detectedRectangles[99].width", "broken", "numpy.nan", "image", "1/0", "huge * 2",
     "len(score)", "abs(data)", "min(1, missing)", "data + data", "9e18 * missing", "measures[0]", "allowed.M4",
     "9000000000000000000 * 9000000000000000000", "-missing"],
)  # fmt: skip
def test_null_never_compares_as_true(operand: str) -> None:
    assert expression(f"{operand} is null").value(CONTEXT) is True
    for sign in ("==", "!=", "<", "<=", ">", ">="):
        assert expression(f"{operand} {sign} 1").value(CONTEXT) is False
        assert expression(f"'a' {sign} {operand}").value(CONTEXT) is False
        assert expression(f"{operand} {sign} {operand}").value(CONTEXT) is False
    assert expression(f"{operand} in allowed").value(CONTEXT) is False
    assert expression(f"{operand} not in allowed").value(CONTEXT) is False
    assert expression(f"1 not in {operand}").value(CONTEXT) is False
    assert expression(operand).holds(CONTEXT) is False


def test_what_is_empty_or_zero_does_not_hold() -> None:
    held = [
        text for text in ("empty", "0", "0.0", "''", "false", "1", "'a'", "allowed") if expression(text).holds(CONTEXT)
    ]
    assert held == ["1", "'a'", "allowed"]


FUNCTIONS = "len(), abs(), min(), max(), count()"
OPERATOR = "an operator (and, or, ==, <, in, +, ...), or the end"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "at character 1: ends too early, expected a value"),
        ("score >", "at character 8: ends too early, expected a value"),
        ("(score > 1", "at character 11: ends too early, expected a )"),
        ("a[0", "at character 4: ends too early, expected a ]"),
        ("a[", "at character 3: ends too early, expected a place in the list, or a key in quotes"),
        ("a. > 3", "at character 4: '>' was not expected there, but a name"),
        ("a b", f"at character 3: 'b' was not expected there, but {OPERATOR}"),
        ("score = 3", "at character 7: '=' was not expected there; write =="),
        ("a && b", "at character 3: '&' was not expected there; write and"),
        ("a || b", "at character 3: '|' was not expected there; write or"),
        ("!a", "at character 1: '!' was not expected there; write not, or !="),
        ("a == 'b", "at character 6: \"'\" was not expected there; this text has no end"),
        ("a == null", "at character 6: a comparison with null is always false; write `is null`, `is not null`"),
        ("a + cuont('x') > 1", f"at character 5: there is no function cuont(); known are {FUNCTIONS}"),
        ("a > len()", "at character 5: len() takes 1, got 0"),
        ("count('a', 'b')", "at character 1: count() takes 0 to 1, got 2"),
        ("a[1.5]", "at character 3: 1.5 is no place in a list, expected a whole number"),
        ("1 + 1e400", "at character 5: 1e400 is too large a number"),
        ("not " * 60 + "a", "is nested more than 50 deep"),
        ("-" * 60 + "1", "is nested more than 50 deep"),
        ("abs(" * 60 + "1" + ")" * 60, "is nested more than 50 deep"),
        ("a" * 1001, "has 1,001 characters, at most 1,000 are allowed"),
        ("a < b < c", f"at character 7: '<' was not expected there, but {OPERATOR}"),
        ("__import__('os').system('ls')", f"at character 17: '.' was not expected there, but {OPERATOR}"),
        ("lambda: 1", "at character 7: ':' was not expected there"),
        ("2 ** 9", "at character 4: '*' was not expected there, but a value"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(text: str, mistake: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        expression(text)
    assert str(caught.value) == mistake


def test_attributes_of_objects_are_not_reached() -> None:
    context = {"text": "abc", "object": np.float32(1), "list": [1]}
    for path in ("text.upper", "text.__class__", "object.item", "object.dtype", "list.append"):
        assert expression(f"{path} is null").value(context) is True


@given(st.text(alphabet="ab.01+-*/()[]<>=!'\" ,notandrisul", max_size=60))
def test_any_text_is_an_expression_or_a_mistake_with_a_message(text: str) -> None:
    try:
        read = expression(text)
    except ExpressionError:
        return  # any other exception fails
    value = read.value({"a": [1, {"b": 2}], "b": "text"})
    assert value is None or isinstance(value, bool | int | float | str | list | dict)


def test_the_longest_expression_over_the_longest_list_takes_no_longer_than_a_blink() -> None:
    context = {"a": list(range(10_000)), "b": list(range(10_001))}
    text = " or ".join(["'x' in a"] * 83)
    begun = time.perf_counter()
    assert expression(text).holds(context) is False
    assert time.perf_counter() - begun < 5  # 0.3 s on the machine where it was written
    assert expression("1 in b or 1 not in b").holds(context) is False  # too long a list: nobody can say


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}; import sys; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return {"lark", "numpy", "cv2"} & set(done.stdout.split())


def test_reading_a_project_without_expressions_loads_no_parser_and_none_loads_numpy() -> None:
    assert not loaded_after("import workers.flow.project, workers.flow.schema")
    assert loaded_after("from workers.context.expression import expression; expression('a')") == {"lark"}
