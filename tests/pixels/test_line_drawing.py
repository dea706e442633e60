"""Lines of the context on the annotated picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from workers.pictures.render import annotate

Image = NDArray[np.uint8]

GREEN, RED, BLUE = (0, 158, 115), (213, 94, 0), (86, 180, 233)
LINE = {"start": {"x": 100.0, "y": 200.5}, "end": {"x": 300.0, "y": 200.5}}


def drawn(*lines: object, size: tuple[int, int] = (400, 600)) -> Image:
    return annotate(np.full(size, 90, np.uint8), None, [], lines)


def of_colour(picture: Image, color: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Where a picture has that colour, or nearly: lines are smooth."""
    return np.asarray((np.abs(picture.astype(int) - color) < 50).all(axis=2))


def test_a_line_lies_where_it_says() -> None:
    blue = of_colour(drawn(LINE), BLUE)
    rows, columns = np.nonzero(blue)
    assert set(rows) == {200}
    assert (columns.min(), columns.max()) == (100, 299)


@pytest.mark.parametrize(("ok", "color"), [(True, GREEN), (False, RED), (None, BLUE), (1, RED)])
def test_its_colour_says_whether_it_is_within_its_limits(ok: object, color: tuple[int, int, int]) -> None:
    picture = drawn({**LINE, "ok": ok})
    assert of_colour(picture, color)[200, 150]


def test_a_tag_says_name_and_value() -> None:
    bare = drawn(LINE)
    tagged = drawn({**LINE, "label": "gap", "value": 2.0, "unit": "mm"})
    assert of_colour(tagged, BLUE).sum() > of_colour(bare, BLUE).sum() + 300
    other = drawn({**LINE, "label": "gap", "value": 2.5, "unit": "mm"})
    assert (tagged != other).any()


def test_distances_have_bars_and_points_are_crosses() -> None:
    bars = of_colour(drawn({**LINE, "method": "distance"}), BLUE)
    assert bars[196:205, 99:101].any(axis=1).sum() >= 8
    cross = of_colour(drawn({"start": {"x": 50.5, "y": 60.5}, "end": {"x": 50.5, "y": 60.5}}), BLUE)
    assert cross[60, 46:55].all()
    assert cross[56:65, 50].all()


def test_a_circle_is_round() -> None:
    circle = {"start": {"x": 200, "y": 200}, "end": {"x": 300, "y": 200}, "centre": {"x": 250, "y": 200}, "radius": 50}
    blue = of_colour(drawn(circle), BLUE)
    for turn in np.linspace(0, 2 * np.pi, 12):
        x, y = round(249.5 + 50 * np.cos(turn)), round(199.5 + 50 * np.sin(turn))
        assert blue[y - 1 : y + 2, x - 1 : x + 2].any()


def test_what_is_wrong_lies_on_top() -> None:
    wrong, right = {**LINE, "ok": False}, {**LINE, "ok": True}
    assert of_colour(drawn(wrong, right), RED)[200, 150]


ODD: list[Any] = [
    "a line",
    None,
    {},
    {"start": [1, 2], "end": [3, 4]},
    {"start": {"x": 1}, "end": {"x": 2, "y": 3}},
    {"start": {"x": "one", "y": 2}, "end": {"x": 2, "y": 3}},
    {"start": {"x": float("nan"), "y": 2}, "end": {"x": 2, "y": 3}},
    {"start": {"x": 5000, "y": 2}, "end": {"x": 6000, "y": 3}},
]


@pytest.mark.parametrize("entry", ODD)
def test_what_is_no_line_is_left_out(entry: object) -> None:
    assert (drawn(entry) == 90).all()


def test_numbers_of_any_size_and_texts_of_any_kind_are_drawn_as_far_as_they_go() -> None:
    wild = {"start": {"x": -1e30, "y": 5}, "end": {"x": 1e30, "y": 300}, "centre": {"x": 1e9, "y": 0}, "radius": 1e30}
    for size in ((400, 600), (1, 1), (3, 700)):
        drawn({**wild, "label": "\ud800 " * 500, "value": 10**400, "unit": 3}, size=size)
        drawn({**wild, "label": ["x"], "value": "much", "method": "width", "radius": -4}, size=size)
