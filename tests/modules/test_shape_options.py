"""The options of the module `shape`, what can be taught, and frames that are not as usual."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from bench.shape_scenes import Place, scene
from tests.modules.pages import example, page, table
from tests.modules.shapes import BRACKET, SIZE, Looking
from tests.support.projects import inspect, surroundings_in, write_project
from workers.context.context import new_context
from workers.context.run import Run
from workers.errors import DeadlineExceeded, ProjectInvalid
from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.modules.region_options import RegionOptions
from workers.modules.shape.module import prepare
from workers.modules.shape.options import ShapeOptions


@pytest.fixture(scope="module")
def looking(tmp_path_factory: pytest.TempPathFactory) -> Looking:
    return Looking(tmp_path_factory.mktemp("bracket"), BRACKET)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1, 3), (2, 2), (7, 5, 3), (40, 30)])
def test_in_pictures_of_a_few_pixels_nothing_is_found(looking: Looking, shape: tuple[int, ...]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    context = looking.look(noise)
    assert (context["detectedRectangles"], context["result"], context["told"]) == ([], False, [])


def test_a_picture_that_is_all_edges_is_looked_through_too(looking: Looking) -> None:
    noise = np.random.default_rng(1).integers(0, 256, SIZE, dtype=np.uint8)
    assert looking.look(noise)["result"] is False


def test_frames_of_other_sizes_may_follow_each_other(looking: Looking) -> None:
    for size in ((300, 300), (420, 560), (301, 333), (300, 300)):
        (found,) = looking.look(scene(BRACKET, Place(150, 150, 33), size=size))["detectedRectangles"]
        assert looking.errors(found, Place(150, 150, 33)) == pytest.approx((0, 0, 0), abs=0.1)


def test_a_frame_whose_time_is_over_is_not_searched_to_the_end(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "part.png"), BRACKET.picture)
    module = prepare(ShapeOptions(file="part.png", name="bolt"), surroundings_in(tmp_path))
    with pytest.raises(DeadlineExceeded, match="was over while a module was at work"):
        module(new_context(scene(BRACKET, Place(200, 200), size=SIZE), ""), Run.start(0))


# teaching


def test_what_cannot_be_taught_is_a_mistake_of_the_project(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "flat.png"), np.full((50, 50), 90, np.uint8))
    cv2.imwrite(str(tmp_path / "part.png"), BRACKET.picture)
    (tmp_path / "text.png").write_text("no picture")
    for options, told in (
        ({"file": "flat.png"}, "file: flat.png shows 0 px of edges with a contrast of 16 levels"),
        ({"file": "text.png"}, "file: the picture of the part 'text.png' cannot be used"),
        ({"file": "gone.png"}, "file: there is no picture of the part 'gone.png' in the project"),
        ({"part": RegionOptions(x=100, y=0, width=100, height=10)}, "part: in part.png the region reaches to x = 200"),
        ({"part": RegionOptions(x=0, y=0, width=9, height=9)}, "part.png shows 0 px of edges"),
        ({"scale_min": 0.2, "scale_max": 5}, "scale_max: angles and scales from 0.2 to 5"),
    ):
        with pytest.raises(ProjectInvalid) as mistake:
            prepare(ShapeOptions.model_validate({"file": "part.png", **options}), surroundings_in(tmp_path))
        assert told in mistake.value.message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"file": ""}, "file\n.*at least 1 character"),
        ({"angle_min": 10, "angle_max": 5}, "angle_max\n.* is 5, expected from angle_min = 10 to a whole turn more"),
        ({"angle_min": -180, "angle_max": 181}, "angle_max\n.* is 181, expected"),
        ({"scale_min": 1.2, "scale_max": 1.1}, "scale_max\n.* is 1.1, less than scale_min = 1.2"),
        ({"scale_min": 0}, "greater than or equal to 0.2"),
        ({"min_score": 0.1}, "greater than or equal to 0.3"),
        ({"min_score": float("nan")}, "finite number"),
        ({"count_min": 3, "count_max": 2}, "count_max\n.* is 2, less than count_min = 3"),
        ({"count_min": 3, "most": 2}, "most\n.* is 2, with which the counts cannot be told; expected at least 3"),
        ({"count_max": 3, "most": 3}, "most\n.* is 3, .* expected at least 4"),
        ({"contrast": "any"}, "'same' or 'either'"),
        ({"part": {"x": 1}}, "has no y, width, height"),
    ],
)
def test_bad_options_are_told_what_was_expected(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ShapeOptions.model_validate({"file": "part.png", **options})


def test_a_picture_that_is_not_there_is_told_with_its_key(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "bracket.png"), BRACKET.picture)
    with pytest.raises(ProjectInvalid) as told:
        load_project(write_project(tmp_path, '\n[[flow]]\nmodule = "shape"\nfile = "braket.png"\n'))
    assert "flow[0].file: braket.png does not exist in the project; did you mean bracket.png?" in told.value.message


def test_what_is_found_in_a_crop_lies_in_the_frame(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "part.png"), BRACKET.picture)
    flow = """
    [[flow]]
    module = "preprocess"
    steps = [{ do = "crop", x = 100, y = 50, width = 400, height = 330 }]

    [[flow]]
    module = "shape"
    file = "part.png"
    """
    context = inspect(
        Flow.prepare(load_project(write_project(tmp_path, flow))), scene(BRACKET, Place(300, 220, 25), size=SIZE)
    ).context
    (found,) = context["detectedRectangles"]
    assert context["errors"] == []
    x, y = Place(300, 220, 25).of(0, -2.5)  # where the middle of the box is
    assert found["x"] + found["width"] / 2 == pytest.approx(x, abs=0.5)
    assert found["y"] + found["height"] / 2 == pytest.approx(y, abs=0.5)
    assert found["rotate"] == pytest.approx(25, abs=0.1)
    assert found["source"] == {"modelId": 0, "moduleId": 2, "type": "DETECTOR"}


# the page


def test_the_example_of_the_page_finds_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "references").mkdir()
    cv2.imwrite(str(tmp_path / "references" / "bracket.png"), BRACKET.picture)
    tried = example("shape", tmp_path)
    image = scene(BRACKET, Place(120, 120, 40), Place(380, 140, 200), Place(250, 310, -30), size=SIZE, clutter=0)
    context, annotated = tried.inspect(np.repeat(image[:, :, None], 3, axis=2))
    assert context["result"] is True
    assert context["shapes"]["brackets"]["count"] == 3
    assert {each["classNames"][0]["label"] for each in context["detectedRectangles"]} == {"bracket"}
    assert (annotated != image[:, :, None]).any()


def test_the_page_says_what_the_options_are() -> None:
    assert table(ShapeOptions) in page("shape")
