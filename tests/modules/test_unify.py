"""The module `unify`: parts that lie anywhere are seen as they were taught, and what is found lies in the frame."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from bench.shape_scenes import Place, scene
from tests.modules.pages import example, page, table
from tests.modules.shapes import BRACKET, SIZE, Image
from tests.support.projects import inspect, surroundings_in, write_project
from workers.context.context import new_context
from workers.context.placement import points_in_frame
from workers.context.run import Run
from workers.errors import DeadlineExceeded
from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.modules.shape.options import ShapeOptions
from workers.modules.unify.module import prepare
from workers.modules.unify.options import UnifyOptions


def taught(folder: Path) -> Path:
    cv2.imwrite(str(folder / "part.png"), BRACKET.picture)
    return folder


def unified(folder: Path, image: Image, **options: Any) -> tuple[dict[str, Any], Run]:
    """Return the context behind the module, and the run."""
    frame = image.copy()
    frame.flags.writeable = False
    context, run = new_context(frame, ""), Run.start(2**62)
    run.frame_px = image.shape[0], image.shape[1]
    given = {"file": "part.png", **options}
    context["worked"] = prepare(UnifyOptions(**given), surroundings_in(taught(folder)))(context, run)
    assert (frame == image).all()
    return context, run


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("place", [Place(280.3, 210.8, 33), Place(150, 290.5, -160), Place(80, 80, 0)])
def test_the_part_lies_as_it_was_taught(tmp_path: Path, place: Place, colour: bool) -> None:
    image = scene(BRACKET, place, size=SIZE, noise=2)
    given = np.repeat(image[:, :, None], 3, axis=2) if colour else image
    context, run = unified(tmp_path, given)
    seen = context["image"]
    assert seen.shape == (160, 160, 3)[: given.ndim]
    assert seen.dtype == np.uint8
    assert context["angle"] == pytest.approx(place.degrees, abs=0.1)
    grey = seen[..., 0] if colour else seen
    difference = cv2.absdiff(grey, BRACKET.picture)[10:-10, 10:-10]
    assert difference.mean() < 2.5
    assert np.percentile(difference, 99.9) < 25
    assert context["result"] is True
    assert context["detectedRectangles"] == []
    assert run.placement is not None
    for point in ((80, 80), (25, 35), (135, 120)):
        true = place.of(point[0] - 80, point[1] - 80)
        assert points_in_frame(np.array([point], np.float64), run.placement)[0] == pytest.approx(true, abs=0.08)


def test_its_values_say_where_the_part_lies(tmp_path: Path) -> None:
    place = Place(280.3, 210.8, 33, 1.1)
    context, _ = unified(tmp_path, scene(BRACKET, place, size=SIZE), scale_min=0.9, scale_max=1.2)
    values = context["unify"]["unify"]
    x, y = place.of(0, -2.5)
    assert values == {
        "found": True,
        "x": pytest.approx(x, abs=0.6),
        "y": pytest.approx(y, abs=0.6),
        "angle": pytest.approx(33, abs=0.1),
        "scale": pytest.approx(1.1, abs=0.002),
        "score": pytest.approx(1, abs=0.05),
    }


@pytest.mark.parametrize("on_missing", ["nok", "error"])
def test_without_a_part_the_frame_is_nok_and_the_flow_ends(tmp_path: Path, on_missing: str) -> None:
    code = "def main(context):\n    context['seen'] = True\n    context['result'] = True\n"
    flow = f"""
    [[flow]]
    module = "unify"
    file = "part.png"
    on_missing = "{on_missing}"

    [[flow]]
    module = "code"
    file = "code/later.py"
    """
    project = Flow.prepare(load_project(write_project(taught(tmp_path), flow, later=code)))
    context = inspect(project, scene(BRACKET, size=SIZE)).context
    assert context["result"] is False
    assert "seen" not in context
    assert context["angle"] is None
    assert context["unify"] == {"unify": {"found": False}}
    assert context["error"] is (on_missing == "error")
    told = [each["message"] for each in context["errors"]]
    assert told == (["unify: the part of part.png is not in the frame"] if on_missing == "error" else [])
    (rectangle,) = context["detectedRectangles"]
    assert rectangle["classNames"][0]["label"] == "part not found"
    assert (rectangle["x"], rectangle["y"], rectangle["width"], rectangle["height"]) == (0, 0, 560, 420)
    found = inspect(project, scene(BRACKET, Place(200, 200, 70), size=SIZE)).context
    assert (found["result"], found["seen"]) == (True, True)


def test_what_later_modules_find_lies_in_the_frame(tmp_path: Path) -> None:
    flow = """
    [[flow]]
    module = "unify"
    file = "part.png"

    [[flow]]
    module = "blobs"
    region = { x = 35, y = 45, width = 45, height = 60 }
    darker_than = 120
    heat = true
    """
    project = Flow.prepare(load_project(write_project(taught(tmp_path), flow)))
    place = Place(300.5, 200.25, 120)
    image = scene(BRACKET, place, size=SIZE, clutter=0)
    answer = inspect(project, image)
    (hole,) = answer.context["detectedRectangles"]
    middle = hole["x"] + hole["width"] / 2, hole["y"] + hole["height"] / 2
    assert middle == pytest.approx(place.of(55 - 80, 75 - 80), abs=1)  # where the part has its hole
    assert math.remainder(hole["rotate"] - 120, 90) == pytest.approx(0, abs=0.2)
    assert answer.image.shape == image.shape
    assert answer.heat is not None
    rows, columns = np.nonzero(answer.heat > 0.5)
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx(place.of(55 - 80, 75 - 80), abs=1)


def test_behind_a_crop_its_values_are_of_the_frame_too(tmp_path: Path) -> None:
    flow = """
    [[flow]]
    module = "preprocess"
    steps = [{ do = "crop", x = 100, y = 50, width = 400, height = 330 }]

    [[flow]]
    module = "unify"
    file = "part.png"
    """
    project = Flow.prepare(load_project(write_project(taught(tmp_path), flow)))
    place = Place(300.5, 200.25, 120)
    values = inspect(project, scene(BRACKET, place, size=SIZE)).context["unify"]["unify"]
    assert (values["x"], values["y"]) == pytest.approx(place.of(0, -2.5), abs=0.6)


def test_a_part_beyond_its_freedom_is_missing(tmp_path: Path) -> None:
    freedom = {"shift_px": 25, "angle_min": -10, "angle_max": 10}
    for place, result in (
        (Place(80, 80, 0), True),
        (Place(100, 62, 8), True),
        (Place(120, 80, 0), False),
        (Place(80, 80, 25), False),
        (Place(400, 300, 0), False),
    ):
        context, _ = unified(tmp_path, scene(BRACKET, place, size=SIZE, clutter=0), **freedom)
        assert context["result"] is result, place
        assert context["worked"] is True
    far = cv2.copyMakeBorder(BRACKET.picture, 300, 0, 300, 0, cv2.BORDER_CONSTANT, value=90)
    cv2.imwrite(str(tmp_path / "far.png"), far)
    context, _ = unified(tmp_path, scene(BRACKET, size=(100, 100)), file="far.png", **freedom)  # its place is outside
    assert context["result"] is False


@pytest.mark.parametrize(("outside", "level"), [("black", 0), ("edge", 90)])
def test_what_lies_outside_of_the_frame_is_black_or_like_its_edge(tmp_path: Path, outside: str, level: int) -> None:
    image = scene(BRACKET, Place(280, 60, 0), size=SIZE, noise=1, clutter=0)
    context, _ = unified(tmp_path, image, outside=outside)
    assert context["image"][:15].mean() == pytest.approx(level, abs=25)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3, 3), (20, 20)])
def test_in_pictures_of_a_few_pixels_there_is_no_part(tmp_path: Path, shape: tuple[int, ...]) -> None:
    context, _ = unified(tmp_path, np.zeros(shape, np.uint8))
    assert context["result"] is False
    assert context["image"].shape == shape


def test_a_frame_whose_time_is_over_is_not_searched_to_the_end(tmp_path: Path) -> None:
    module = prepare(UnifyOptions(file="part.png", name="bring"), surroundings_in(taught(tmp_path)))
    with pytest.raises(DeadlineExceeded, match="was over while a module was at work"):
        module(new_context(scene(BRACKET, Place(200, 200), size=SIZE), ""), Run.start(0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "file\n.*Field required"),
        ({"shift_px": -1}, "greater than or equal to 0"),
        ({"outside": "white"}, "'black' or 'edge'"),
        ({"on_missing": "ok"}, "'nok' or 'error'"),
        ({"count_min": 1}, "Extra inputs are not permitted"),
    ],
)
def test_bad_options_are_told_what_was_expected(options: dict[str, Any], message: str) -> None:
    given = {"file": "part.png", **options} if options else {}
    with pytest.raises(ValidationError, match=message):
        UnifyOptions.model_validate(given)


# the page


def test_the_example_of_the_page_does_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "references").mkdir()
    cv2.imwrite(str(tmp_path / "references" / "bracket.png"), BRACKET.picture)
    tried = example("unify", tmp_path)
    image = scene(BRACKET, Place(300, 220, 140), size=SIZE, noise=2)
    assert tried.inspect(np.repeat(image[:, :, None], 3, axis=2)).context["result"] is True
    x, y = (round(each) for each in Place(300, 220, 140).of(-10, 28))
    bad = cv2.circle(image, (x, y), 7, 20, -1)
    context = tried.inspect(np.repeat(bad[:, :, None], 3, axis=2)).context
    assert context["result"] is False
    (defect,) = context["detectedRectangles"]
    assert abs(defect["x"] + defect["width"] / 2 - x) < 4
    assert abs(defect["y"] + defect["height"] / 2 - y) < 4


def test_the_page_says_what_the_options_are() -> None:
    assert table(UnifyOptions) in page("unify")
    assert ShapeOptions.model_fields["part"].description == UnifyOptions.model_fields["part"].description
