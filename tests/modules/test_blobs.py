"""The module `blobs` on pictures whose blobs are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from tests.modules.pages import example, page, table
from tests.support.projects import inspect, surroundings_in, write_project
from workers.context.context import new_context
from workers.context.run import Run
from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.modules.blobs.module import Blobs, prepare
from workers.modules.blobs.options import BlobsOptions
from workers.modules.region_options import RegionOptions

Image = NDArray[np.uint8]


def plain(height: int = 120, width: int = 160, level: int = 180) -> Image:
    return np.full((height, width), level, np.uint8)


def boxes(image: Image, *places: tuple[int, int, int, int], level: int = 30) -> Image:
    for x, y, width, height in places:
        image[y : y + height, x : x + width] = level
    return image


def look(image: Image, **options: Any) -> dict[str, Any]:
    frame = image.copy()
    frame.flags.writeable = False
    context = new_context(frame, "")
    given = {"darker_than": 100, **options} if "threshold" not in options else options
    Blobs(BlobsOptions(**given))(context, Run.start(2**62))
    return context


def found(image: Image, **options: Any) -> list[tuple[int, int, int, int, float]]:
    rectangles = look(image, **options)["detectedRectangles"]
    return [(r["x"], r["y"], r["width"], r["height"], r["area"]) for r in rectangles]


THREE = ((10, 20, 30, 10), (80, 40, 12, 40), (120, 90, 5, 5))


@pytest.mark.parametrize("colour", [False, True])
def test_boxes_are_found_where_they_are(colour: bool) -> None:
    image = boxes(plain(), *THREE)
    if colour:
        image = np.ascontiguousarray(np.repeat(image[:, :, None], 3, axis=2))
    context = look(image)
    assert [
        (r["x"], r["y"], r["width"], r["height"], r["area"], r["confidence"], r["classNames"][0]["label"])
        for r in context["detectedRectangles"]
    ] == [(*box, float(box[2] * box[3]), 1.0, "dark") for box in THREE]
    assert context["blobs"] == {"blobs": {"count": 3, "area_px": 300 + 480 + 25, "darker_than": 100}}
    assert context["result"] is True
    assert context["heatmaps"] == []


def test_areas_are_those_that_opencv_counts() -> None:
    noise = np.random.default_rng(5).integers(0, 256, (301, 403), dtype=np.uint8)
    image = np.asarray(cv2.GaussianBlur(noise, (0, 0), 3), np.uint8)
    level = int(np.median(image))
    binary = (image < level).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(binary, connectivity=8)
    assert len(stats) > 50
    assert sorted(found(image, darker_than=level, area_min_px=1)) == sorted(map(tuple, stats[1:].tolist()))


def test_a_run_ends_at_the_end_of_its_row() -> None:
    image = boxes(plain(4, 6), (3, 0, 3, 1), (0, 1, 1, 1), (5, 3, 1, 1))
    assert found(image, area_min_px=1) == [(3, 0, 3, 1, 3.0), (0, 1, 1, 1, 1.0), (5, 3, 1, 1, 1.0)]


def test_pixels_that_touch_at_a_corner_are_one_blob() -> None:
    assert found(boxes(plain(), (10, 10, 5, 5), (15, 15, 5, 5))) == [(10, 10, 10, 10, 50.0)]


def test_a_level_is_not_in_what_it_limits() -> None:
    image = boxes(boxes(plain(), (10, 10, 9, 9), level=100), (40, 40, 9, 9), level=99)
    assert [r[:2] for r in found(image)] == [(40, 40)]
    image = boxes(boxes(plain(level=50), (10, 10, 9, 9), level=100), (40, 40, 9, 9), level=101)
    assert [r[:2] for r in found(image, darker_than=None, polarity="bright", brighter_than=100)] == [(40, 40)]


def test_dark_and_bright_that_touch_stay_two() -> None:
    image = boxes(boxes(plain(level=128), (20, 20, 10, 10), level=20), (30, 20, 10, 10), level=240)
    context = look(image, polarity="both", brighter_than=200)
    assert [(r["x"], r["classNames"][0]["label"]) for r in context["detectedRectangles"]] == [
        (20, "dark"),
        (30, "bright"),
    ]
    assert context["blobs"]["blobs"] == {"count": 2, "area_px": 200, "darker_than": 100, "brighter_than": 200}
    named = look(image, polarity="both", brighter_than=200, label="dirt", name="glass")
    assert {r["classNames"][0]["label"] for r in named["detectedRectangles"]} == {"dirt"}
    assert named["blobs"].keys() == {"glass"}


@pytest.mark.parametrize(("channel", "seen"), [("blue", 1), ("green", 0), ("red", 0), ("grey", 0)])
def test_a_channel_can_be_looked_at_alone(channel: str, seen: int) -> None:
    image = np.full((60, 60, 3), 180, np.uint8)
    image[20:30, 20:30, 0] = 10
    assert len(found(image, channel=channel)) == seen


# morphology, region, border


def test_opening_takes_thin_things_away_and_closing_fills_gaps() -> None:
    image = boxes(plain(), (10, 10, 100, 2), (20, 40, 30, 20), (52, 40, 30, 20))
    assert len(found(image)) == 3
    assert [r[:4] for r in found(image, opening_px=5)] == [(20, 40, 30, 20), (52, 40, 30, 20)]
    assert [r[:4] for r in found(image, opening_px=5, closing_px=5)] == [(20, 40, 62, 20)]


def test_only_the_region_is_looked_at_and_places_are_of_the_image() -> None:
    image = boxes(plain(), *THREE)
    rectangle = RegionOptions(x=70, y=30, width=40, height=60)
    assert found(image, region=rectangle) == [(80, 40, 12, 40, 480.0)]
    cut = RegionOptions(x=20, y=0, width=15, height=60)
    assert found(image, region=cut) == [(20, 20, 15, 10, 150.0)]
    assert found(image, region=cut, touching_border=False) == []
    polygon = RegionOptions(polygon=[[0, 0], [60, 0], [60, 25], [0, 25]])
    assert found(image, region=polygon) == [(10, 20, 30, 5, 150.0)]


def test_what_a_slanting_border_cuts_touches_it() -> None:
    image = boxes(plain(), (20, 20, 10, 10), (60, 60, 10, 10))
    region = RegionOptions(polygon=[[0, 0], [130, 0], [10, 120], [0, 120]])  # the second box lies across its edge
    assert [r[:2] for r in found(image, region=region)] == [(20, 20), (60, 60)]
    assert [r[:2] for r in found(image, region=region, touching_border=False)] == [(20, 20)]


@pytest.mark.parametrize("place", [(0, 50, 9, 9), (151, 50, 9, 9), (50, 0, 9, 9), (50, 111, 9, 9)])
def test_blobs_at_the_border_of_the_image_may_be_left_out(place: tuple[int, int, int, int]) -> None:
    image = boxes(plain(), place, (70, 60, 9, 9))
    assert len(found(image)) == 2
    assert [r[:4] for r in found(image, touching_border=False)] == [(70, 60, 9, 9)]


# count, heat, what cannot be done


@pytest.mark.parametrize(
    ("limits", "result"),
    [
        ({"count_min": 3}, True),
        ({"count_min": 4}, False),
        ({"count_max": 3}, True),
        ({"count_max": 2}, False),
        ({"count_min": 3, "count_max": 3}, True),
        ({"count_max": 0}, False),
    ],
)
def test_the_count_makes_the_result(limits: dict[str, int], result: bool) -> None:
    assert look(boxes(plain(), *THREE), **limits)["result"] is result


def test_without_a_count_the_result_stays_as_it_was() -> None:
    context = new_context(boxes(plain(), *THREE), "")
    context["result"] = False
    Blobs(BlobsOptions(darker_than=100))(context, Run.start(2**62))
    assert context["result"] is False
    Blobs(BlobsOptions(darker_than=100, count_max=3))(context, Run.start(2**62))
    assert context["result"] is True


def test_heat_is_on_the_blobs_that_count_and_nowhere_else() -> None:
    image = boxes(plain(), *THREE)
    region = RegionOptions(x=5, y=5, width=150, height=110)
    (heat,) = look(image, heat=True, area_min_px=100, region=region)["heatmaps"]
    assert heat.dtype == np.float32
    assert (heat == (boxes(plain(), *THREE[:2]) < 100)).all()


def test_without_blobs_nothing_is_left_of_the_frame_before() -> None:
    module = Blobs(BlobsOptions(darker_than=100, heat=True, polarity="both", brighter_than=200, elongation_max=9))
    counts = []
    for image in (boxes(plain(), *THREE), plain(), plain(level=255), boxes(plain(50, 60), (5, 5, 9, 9))):
        context = new_context(image, "")
        module(context, Run.start(2**62))
        counts.append(context["blobs"]["blobs"]["count"])
        assert bool(context["heatmaps"][0].any()) is bool(context["detectedRectangles"])
    assert counts == [3, 0, 1, 1]


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (1, 1, 3), (2, 2, 3)])
def test_pictures_of_a_few_pixels_are_looked_at_too(shape: tuple[int, ...]) -> None:
    image = np.zeros(shape, np.uint8)
    limits = {"opening_px": 5, "closing_px": 3, "elongation_min": 1.0, "roundness_min": 0.0, "solidity_min": 0.0}
    height, width = shape[:2]
    assert found(image, area_min_px=1, **limits) == [(0, 0, width, height, float(width * height))]
    assert found(image, area_min_px=1, touching_border=False) == []
    assert found(image, threshold="otsu", polarity="both", area_min_px=1) == []
    assert found(image, threshold="adaptive", area_min_px=1) == []


def test_too_many_blobs_are_an_error_and_never_ok(tmp_path: Path) -> None:
    image = plain(400, 400)
    image[::4, ::4] = 0
    flow = '\n[[flow]]\nmodule = "blobs"\ndarker_than = 100\narea_min_px = 1\ncount_min = 1\n'
    context = inspect(Flow.prepare(load_project(write_project(tmp_path, flow))), image).context
    assert "blobs: 10,000 blobs, at most 2,000" in context["errors"][0]["message"]
    assert (context["result"], context["error"], context["detectedRectangles"]) == (False, True, [])


def test_rectangles_are_complete_behind_the_module(tmp_path: Path) -> None:
    flow = '\n[[flow]]\nmodule = "blobs"\ndarker_than = 100\n'
    context = inspect(Flow.prepare(load_project(write_project(tmp_path, flow))), boxes(plain(), *THREE)).context
    assert [r["id"] for r in context["detectedRectangles"]] == [1, 2, 3]
    assert context["detectedRectangles"][0]["source"] == {"modelId": 0, "moduleId": 1, "type": "DETECTOR"}


def test_what_code_left_under_its_key_gives_way(tmp_path: Path) -> None:
    context = new_context(plain(), "")
    context["blobs"] = 3
    Blobs(BlobsOptions(darker_than=100))(context, Run.start(2**62))
    assert context["blobs"]["blobs"]["count"] == 0
    assert callable(prepare(BlobsOptions(darker_than=100), surroundings_in(tmp_path)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "darker_than\n.* is missing; threshold = 'fixed' with polarity = 'dark' needs a level"),
        ({"polarity": "both", "darker_than": 9}, "brighter_than\n.* is missing"),
        ({"darker_than": 9, "brighter_than": 200}, "brighter_than\n.* has no use with"),
        ({"threshold": "otsu", "darker_than": 9}, "darker_than\n.* has no use with threshold = 'otsu'"),
        ({"polarity": "both", "darker_than": 90, "brighter_than": 88}, "pixels between would be both"),
        ({"darker_than": 0}, "greater than or equal to 1"),
        ({"darker_than": 9, "opening_px": 4}, "is 4, expected an odd number"),
        ({"darker_than": 9, "area_max_px": 10}, "is 10, less than area_min_px = 20"),
        ({"darker_than": 9, "count_min": 3, "count_max": 2}, "is 2, less than count_min = 3"),
        ({"darker_than": 9, "solidity_max": 1.2}, "less than or equal to 1"),
        ({"darker_than": 9, "elongation_min": 0.5}, "greater than or equal to 1"),
        ({"darker_than": 9, "roundness_min": float("nan")}, "finite number"),
        ({"darker_than": 9, "threshold": "triangle"}, "'fixed', 'otsu' or 'adaptive'"),
        ({"darker_than": "9"}, "valid integer"),
    ],
)
def test_bad_options_are_told_what_was_expected(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        BlobsOptions(**options)


# the page


def test_the_example_of_the_page_finds_what_it_says(tmp_path: Path) -> None:
    image = np.full((600, 800, 3), 200, np.uint8)
    tried = example("blobs", tmp_path)
    assert tried.inspect(image).context["result"] is False
    for x in (150, 300, 450, 600):
        cv2.circle(image, (x, 200), 20, (20, 20, 20), -1)
    context, annotated = tried.inspect(image)
    assert context["result"] is True
    assert {r["classNames"][0]["label"] for r in context["detectedRectangles"]} == {"hole"}
    assert context["blobs"]["holes"]["count"] == 4
    assert (annotated != image).any()


def test_the_page_says_what_the_options_are() -> None:
    assert table(BlobsOptions) in page("blobs")
    assert table(RegionOptions) in page("blobs")
