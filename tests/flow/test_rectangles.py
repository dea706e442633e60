"""Rectangles that user code left half done: filled in, or left out and told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.projects import code_flow, inspect
from workers.context.rectangles import complete_rectangles
from workers.context.run import MAX_ERRORS


def completed(*rectangles: Any, module_id: int = 3) -> tuple[list[dict[str, Any]], list[str]]:
    notes: list[str] = []
    return complete_rectangles(rectangles, module_id, "CODE", notes.append), notes


def test_a_rectangle_of_a_few_fields_gets_all_the_others() -> None:
    given = {"id": 1, "x": 10, "y": 20, "width": 30, "height": 40, "classNames": [{"label": "Test", "id": 2**42 + 1}]}
    before = json.dumps(given)
    (rectangle,), notes = completed(given)
    assert rectangle == {
        "id": 1,
        "x": 10,
        "y": 20,
        "width": 30,
        "height": 40,
        "rotate": 0.0,
        "area": 1200.0,
        "confidence": 1.0,
        "classNames": [
            {"id": 2**42 + 1, "label": "Test", "confidence": 1.0, "color": "#0072b2", "color_bgr": [178, 114, 0]}
        ],
        "source": {"modelId": 0, "moduleId": 3, "type": "CODE"},
    }
    assert notes == []
    assert json.dumps(given) == before


@pytest.mark.parametrize(("label", "number", "text"), [("screw", 0, "screw"), (3, 3, "3"), (np.int64(4), 4, "4")])
@pytest.mark.parametrize("others", [{}, {"classNames": []}])
def test_a_label_of_its_own_is_the_class_name_of_a_rectangle_without(
    label: object, number: int, text: str, others: dict[str, Any]
) -> None:
    given = {"x": 1, "y": 1, "width": 2, "height": 2, "confidence": 0.5, "label": label, **others}
    (rectangle,), notes = completed(given)
    [name] = rectangle["classNames"]
    assert (name["id"], name["label"], name["confidence"]) == (number, text, 0.5)
    assert rectangle["label"] == label
    assert notes == []


def test_a_label_changes_no_class_name_and_what_is_no_name_is_no_error() -> None:
    box = {"x": 1, "y": 1, "width": 2, "height": 2}
    rectangles, notes = completed({**box, "label": "a", "classNames": [{"label": "b"}]}, {**box, "label": None})
    assert [name["label"] for name in rectangles[0]["classNames"]] == ["b"]
    assert rectangles[1]["classNames"] == []
    assert notes == []


def test_a_rectangle_that_is_whole_stays_as_it_is_with_what_was_added_to_it() -> None:
    whole = {
        "id": 7,
        "x": 1.5,
        "y": 2,
        "width": 3,
        "height": 4,
        "rotate": 30.0,
        "area": 9.5,
        "confidence": 0.25,
        "classNames": [{"id": 1, "label": "a", "confidence": 25, "color": "#010203", "color_bgr": [3, 2, 1]}],
        "source": {"modelId": 5, "moduleId": 6, "type": "DETECTOR"},
        "own": {"note": "mine"},
    }
    rectangles, notes = completed(whole)
    assert rectangles[0] is whole
    assert notes == []


def test_missing_ids_are_free_numbers() -> None:
    box = {"x": 0, "y": 0, "width": 1, "height": 1}
    rectangles, _ = completed({**box, "id": 4}, box, {**box, "id": 2}, box)
    assert [rectangle["id"] for rectangle in rectangles] == [4, 5, 2, 6]


def test_numpy_numbers_in_rectangles_become_pythons() -> None:
    (rectangle,), _ = completed({"x": np.int32(1), "y": np.float32(2.5), "width": np.int64(3), "height": 4})
    assert [type(rectangle[key]) for key in ("x", "y", "width")] == [int, float, int]
    assert (rectangle["x"], rectangle["y"]) == (1, 2.5)


def test_either_colour_of_a_class_gives_the_other() -> None:
    names = [{"color": "#102030"}, {"color_bgr": [48, 32, 16]}, {"color_bgr": (300, -1, 0)}]
    (rectangle,), _ = completed({"x": 0, "y": 0, "width": 1, "height": 1, "classNames": names})
    colors = [(name["color"], name["color_bgr"]) for name in rectangle["classNames"]]
    assert colors == [("#102030", [48, 32, 16]), ("#102030", [48, 32, 16]), ("#0000ff", [255, 0, 0])]


def test_confidences_stand_in_for_each_other() -> None:
    box = {"x": 0, "y": 0, "width": 1, "height": 1}
    (one, two), _ = completed(
        {**box, "classNames": [{"confidence": 0.5}]}, {**box, "confidence": 0.25, "classNames": [{}]}
    )
    assert one["confidence"] == 0.5
    assert two["classNames"][0]["confidence"] == 0.25


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"x": None}, "['x'] is None, expected a number"),
        ({"x": "12"}, "['x'] is '12', expected a number"),
        ({"width": float("nan")}, "['width'] is nan, expected a number"),
        ({"height": 10**400}, "['height'] is a very large int, expected pixels of an image"),
        ({"confidence": 10**400}, "['confidence'] is a very large int, expected a number"),
        ({"id": 1.5}, "['id'] is 1.5, expected a whole number of 64 bits"),
        ({"id": 2**64}, "['id'] is 18446744073709551616, expected a whole number of 64 bits"),
        ({"classNames": [{"id": 10**5000}]}, "['classNames'][0]['id'] is a very large int, expected a whole number"),
        ({"source": {"type": np.zeros(2)}}, "['source']['type'] is a ndarray, expected one of UNSUPERVISED,"),
        ({"id": True}, "['id'] is True, expected a whole number of 64 bits"),
        ({"classNames": "scratch"}, "['classNames'] is 'scratch', expected a list"),
        ({"classNames": ["scratch"]}, "['classNames'][0] is 'scratch', expected a dict"),
        ({"classNames": [{"label": 5}]}, "['classNames'][0]['label'] is 5, expected text"),
        ({"classNames": [{"color": "red"}]}, "['classNames'][0]['color'] is 'red', expected #rrggbb"),
        ({"classNames": [{"color_bgr": [1]}]}, "['classNames'][0]['color_bgr'] is a list, expected [b, g, r]"),
        ({"source": 3}, "['source'] is 3, expected a dict"),
        ({"source": {"type": []}}, "['source']['type'] is a list, expected one of UNSUPERVISED, SUPERVISED,"),
    ],
)
def test_a_rectangle_that_makes_no_sense_is_left_out_and_told(change: dict[str, Any], note: str) -> None:
    box = {"id": 1, "x": 0, "y": 0, "width": 1, "height": 1}
    rectangles, notes = completed(box, {**box, **change})
    assert len(rectangles) == 1
    assert notes[0].startswith(f"detectedRectangles[1]{note}")
    assert notes[0].endswith(": left out")


def test_what_is_no_rectangle_is_left_out_and_told() -> None:
    assert completed(5, {"x": 0, "width": 1, "height": 1})[1] == [
        "detectedRectangles[0] is a int, expected a dict: left out",
        "detectedRectangles[1] has no 'y': left out",
    ]


def test_ten_thousand_broken_rectangles_are_a_hundred_errors(tmp_path: Path) -> None:
    source = "def main(context):\n    context['detectedRectangles'] = [0] * 10_000\n"
    context = inspect(code_flow(tmp_path, source)).context
    assert len(context["errors"]) == MAX_ERRORS + 1
    assert "the rest is left out" in context["errors"][-1]["message"]
