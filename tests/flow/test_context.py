"""The context: whole and of the right types whatever user code did to it, and JSON or a message that names the key."""

from __future__ import annotations

import datetime as dt
import json
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.contract import CONTEXT_KEYS
from tests.support.projects import frame
from workers.context.context import complete, context_json, new_context
from workers.context.run import Context, Run
from workers.errors import ContextTooLarge

PUBLIC: dict[str, Any] = {**CONTEXT_KEYS, "angle": float | None}


def finished(**changes: Any) -> Context:
    """Return the public context of a flow that made `changes`."""
    context = new_context(frame(), "text")
    context.update(changes)
    return complete(context, Run.start(time.monotonic_ns()), 6, 8)


def messages(context: Context) -> list[str]:
    return [entry["message"] for entry in context["errors"]]


def left_out(**changes: Any) -> str:
    """What the only entry in `errors` says of a part that was left out."""
    context = json.loads(context_json(finished(**changes)))
    assert (context["result"], context["error"]) == (False, True)
    [message] = messages(context)
    assert message.endswith(": it is left out")
    return message.removesuffix(": it is left out")


def test_a_public_context_has_all_keys_of_the_contract_and_no_other() -> None:
    context = json.loads(context_json(finished()))
    assert context.keys() == PUBLIC.keys()
    for key, kind in PUBLIC.items():
        assert isinstance(context[key], kind), key
    assert (context["processing"], context["production_mode"], context["result"]) == (True, True, True)
    assert (context["error"], context["errors"], context["save"]) == (False, [], False)
    assert context["imageShape"] == {"height": 6, "width": 8}


def test_user_code_finds_the_inner_keys_too() -> None:
    context = new_context(frame(), "text")
    assert context["image"].shape == (6, 8, 3)
    assert (context["data"], context["heatmaps"], context["exit"], context["items"]) == ("text", [], False, {})
    assert context.keys() > PUBLIC.keys()
    assert type(context) is dict


def test_keys_that_user_code_removed_come_back() -> None:
    context = new_context(frame(), "")
    for key in [*context]:
        if key != "result":
            del context[key]
    whole = complete(context, Run.start(0), 6, 8)
    assert whole.keys() == PUBLIC.keys()
    assert (whole["error"], whole["errors"], whole["result"]) == (False, [], True)


def test_a_result_that_user_code_removed_is_an_error_and_never_ok() -> None:
    whole = complete({}, Run.start(0), 6, 8)
    assert (whole["result"], whole["error"]) == (False, True)
    assert messages(whole) == ["context['result'] is gone, expected bool; False took its place"]


@pytest.mark.parametrize(
    ("key", "broken", "shown", "instead"),
    [
        ("result", None, "None", False),
        ("result", "OK", "'OK'", False),
        ("result", 2, "2", False),
        ("result", np.array([True, True]), "a ndarray", False),
        ("save", "no", "'no'", False),
        ("error", [], "a list", True),
        ("score", None, "None", 0.0),
        ("score", float("nan"), "nan", 0.0),
        ("score", True, "True", 0.0),
        ("score", 10**400, "a very large int", 0.0),
        ("score", Fraction(10**400), "a Fraction", 0.0),
        ("threshold", np.float32("inf"), "a float32", 0.0),
        ("angle", "left", "'left'", None),
        ("lines", {}, "a dict", []),
        ("surfaceClasses", None, "None", []),
        ("detectedRectangles", np.zeros(4), "a ndarray", []),
        ("operatorInput", [], "a list", {}),
        ("globalData", 7, "7", {}),
    ],
)
def test_a_wrong_type_is_put_right_and_told_and_the_result_is_false(
    key: str, broken: object, shown: str, instead: object
) -> None:
    context = finished(**{key: broken})
    assert context[key] == instead
    assert (context["error"], context["result"]) == (True, False)
    (message,) = messages(context)
    assert message.startswith(f"context['{key}'] is {shown}, expected ")


def test_a_list_of_errors_that_user_code_replaced_does_not_hide_an_error() -> None:
    context = finished(errors="none")
    assert context["error"] is True
    assert messages(context) == ["context['errors'] is 'none', expected list; [] took its place"]


@pytest.mark.parametrize(
    ("key", "given", "kept"),
    [
        ("result", np.bool_(False), False),
        ("result", np.all(np.ones(3)), True),
        ("result", 0, False),
        ("result", np.int64(1), True),
        ("score", np.float32(0.5), 0.5),
        ("score", 3, 3.0),
        ("angle", np.float64(12.5), 12.5),
        ("lines", (1, 2), [1, 2]),
    ],
)
def test_numpys_own_types_are_taken_for_what_they_stand_for(key: str, given: object, kept: object) -> None:
    context = finished(**{key: given})
    assert context[key] == kept
    assert type(context[key]) is type(kept)
    assert context["errors"] == []


def test_what_is_the_servers_own_cannot_be_written_by_user_code() -> None:
    context = finished(
        processing=False, production_mode=None, processingTime="x", completeTime={}, imageShape=1, stdout=b"", stderr=7
    )
    assert (context["processing"], context["production_mode"]) == (True, True)
    assert context["imageShape"] == {"height": 6, "width": 8}
    assert (context["stdout"], context["stderr"], context["errors"]) == ("", "", [])
    assert 0 <= context["processingTime"] <= context["completeTime"] < 60


def test_the_complete_time_counts_from_when_the_frame_was_accepted() -> None:
    run = Run.start(0, accepted_ns=time.monotonic_ns() - 5 * 10**9)
    context = complete(new_context(frame(), ""), run, 6, 8)
    assert context["completeTime"] >= 5 > context["processingTime"]


def test_custom_keys_go_out_as_they_are() -> None:
    custom = {"part": "A-17", "sizes": {"d": [1.5, 2]}, "none": None, "when": dt.date(2026, 1, 2)}
    context = json.loads(context_json(finished(**custom)))
    assert context["sizes"] == {"d": [1.5, 2]}
    assert (context["part"], context["none"], context["when"]) == ("A-17", None, "2026-01-02")


def test_numpy_values_become_numbers_and_lists() -> None:
    grid = np.arange(6, dtype=np.int16).reshape(2, 3)
    values = {
        "scalar": np.float32(0.5),
        "flag": np.bool_(True),
        "grid": grid,
        "strided": grid[:, ::2],
        "words": np.array(["a", "b"]),
        "none": np.array([1.0, np.nan]),
    }
    context = json.loads(context_json(finished(**values)))
    assert {key: context[key] for key in values} == {
        "scalar": 0.5,
        "flag": True,
        "grid": [[0, 1, 2], [3, 4, 5]],
        "strided": [[0, 2], [3, 5]],
        "words": ["a", "b"],
        "none": [1.0, None],
    }


def test_large_integers_come_through_exactly_and_nan_becomes_null() -> None:
    numbers = [2**42, 2**53 + 1, 2**63, 2**64 - 1, -(2**63)]
    context = json.loads(context_json(finished(numbers=numbers, nan=float("nan"), inf=float("-inf"))))
    assert (context["numbers"], context["nan"], context["inf"]) == (numbers, None, None)


def test_keys_that_are_numbers_become_text() -> None:
    assert json.loads(context_json(finished(counts={1: 3, 2: 4})))["counts"] == {"1": 3, "2": 4}


def test_what_json_cannot_hold_is_left_out_and_named_by_its_key() -> None:
    itself: list[Any] = []
    itself.append(itself)
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    assert left_out(x={"y": {1, 2}}) == "context['x']['y'] is a set: JSON has no such type"
    assert left_out(raw=[0, b"abc"]) == "context['raw'][1] is a bytes: JSON has no such type"
    assert left_out(where=Path("/tmp")) == "context['where'] is a PosixPath: JSON has no such type"
    assert left_out(z=np.complex64(1)) == "context['z'] is a complex64: JSON has no such type"
    assert left_out(z=(1, np.zeros(2, complex))) == "context['z'][1] is an array of complex128: JSON has no such type"
    assert left_out(z=np.zeros(2, ">i4")) == "context['z'] is an array of >i4: JSON has no such type"
    assert left_out(z=np.zeros(2, np.longdouble)) == "context['z'] is an array of float128: JSON has no such type"
    assert left_out(n=2**64) == "context['n'] is an integer of more than 64 bits, which JSON readers do not take"
    assert "context['text'] is text that UTF-8 cannot hold" in left_out(text="\udc80")
    assert "the key context['\\udc80'] is text that UTF-8 cannot hold" in left_out(**{"\udc80": 1})
    assert left_out(c={(1, 2): 3}) == "context['c'][a tuple] has a tuple as its key, expected text"
    assert left_out(cycle=itself) == "context['cycle'][0] contains itself"
    assert "is nested more than 250 levels deep" in left_out(deep=deep)


def test_of_what_json_cannot_hold_the_smallest_part_is_left_out() -> None:
    rectangle = {"x": 1, "y": 1, "width": 2, "height": 2, "mask": b"abc", "note": "kept"}
    context = finished(
        parts={"ok": [1, 2], "path": Path("/tmp"), "list": [1, {3}, {"a": 1, "b": b"x"}]},
        detectedRectangles=[rectangle],
        last="kept",
    )
    told = json.loads(context_json(context))
    assert told["parts"] == {"ok": [1, 2], "list": [1, None, {"a": 1}]}
    assert told["detectedRectangles"] == [{key: value for key, value in rectangle.items() if key != "mask"}]
    assert told["last"] == "kept"
    assert len(told["errors"]) == 4
    assert told.keys() >= PUBLIC.keys()
    # what follows in a worker asks the same dict
    assert (context["result"], context["error"]) == (False, True)
    assert rectangle["mask"] == b"abc"


def test_of_many_values_that_json_cannot_hold_a_hundred_are_told() -> None:
    context = json.loads(context_json(finished(many=[Path("/tmp")] * 5000, name="kept")))
    assert context["many"] == [None] * 5000
    assert context["name"] == "kept"
    assert len(context["errors"]) == 101
    assert context["errors"][-1]["message"].startswith("more than 100 values")


def test_a_context_over_the_limit_is_refused_by_the_name_of_its_largest_part() -> None:
    with pytest.raises(ContextTooLarge) as caught:
        context_json(finished(mask=np.ones((1024, 1024), np.uint8)))
    assert caught.value.message.endswith(
        "at most 1,048,576 are allowed; the largest part is context['mask'] with 2,099,201"
    )
    fits = context_json(finished(text="x" * 1000))
    assert context_json(finished(text="x" * 1000), limit_bytes=len(fits) + 100)
    with pytest.raises(ContextTooLarge, match="largest part is context\\['text'\\] with 1,002"):
        context_json(finished(text="x" * 1000), limit_bytes=len(fits) - 100)
