"""The module `shape` on scenes whose parts lie at known places."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.shape_scenes import Part, Pen, Place, scene
from tests.modules.shapes import BRACKET, SIZE, Looking
from workers.modules.region_options import RegionOptions


@pytest.fixture(scope="module")
def looking(tmp_path_factory: pytest.TempPathFactory) -> Looking:
    return Looking(tmp_path_factory.mktemp("bracket"), BRACKET)


def places(count: int, seed: int) -> list[Place]:
    random = np.random.default_rng(seed)
    drawn = random.uniform((100, 100, -180), (460, 320, 180), (count, 3)).tolist()
    return [Place(*each) for each in drawn]


@pytest.mark.parametrize(
    ("light", "covered", "noise"), [(1.0, 0, 5), (0.7, 0, 5), (1.0, 0.2, 5), (0.7, 0.2, 5), (1.0, 0, 12), (0.4, 0, 2)]
)
def test_a_part_is_found_at_any_angle(looking: Looking, light: float, covered: float, noise: float) -> None:
    missed, errors = [], []
    for seed, place in enumerate(places(20, seed=8)):
        image = scene(BRACKET, place, size=SIZE, seed=seed, light=light, covered=covered, noise=noise, clutter=6)
        found = looking.look(image)["detectedRectangles"]
        if len(found) != 1 or np.hypot(*looking.errors(found[0], place)[:2]) > 1:
            missed.append((place, found))
        else:
            errors.append(looking.errors(found[0], place))
            assert found[0]["confidence"] > 0.9 - covered * 1.3
    assert not missed
    spread, most = np.std(errors, axis=0), np.abs(errors).max(axis=0)
    factor = max(1.0, noise / 5, 1 / light)
    assert (spread < 0.02 * factor).all(), spread
    assert (most < 0.06 * factor).all(), most


@pytest.mark.parametrize("degrees", [0.0, 90.0, -90.0, 180.0, 45.0])
@pytest.mark.parametrize("shift_px", [0.0, 0.25, 0.5])
def test_where_it_is_known_to_a_fiftieth_of_a_pixel(looking: Looking, degrees: float, shift_px: float) -> None:
    place = Place(280 + shift_px, 210 - shift_px, degrees)
    (found,) = looking.look(scene(BRACKET, place, size=SIZE, noise=2, clutter=0))["detectedRectangles"]
    assert looking.errors(found, place) == pytest.approx((0, 0, 0), abs=0.02)


def test_its_rectangle_is_the_box_around_the_outline_turned_as_the_part_is(looking: Looking) -> None:
    context = looking.look(scene(BRACKET, Place(280, 210, 30), size=SIZE, clutter=0))
    (found,) = context["detectedRectangles"]
    x, y, width, height = BRACKET.box
    assert (found["width"], found["height"]) == pytest.approx((width, height), abs=1)
    assert looking.middle == pytest.approx((x + width / 2 - 80, y + height / 2 - 80), abs=0.5)
    assert found["rotate"] == pytest.approx(30, abs=0.05)
    assert context["angle"] == found["rotate"]
    assert found["classNames"][0]["label"] == "shape"
    values = context["shapes"]["shape"]
    assert values["count"] == 1
    assert values["found"][0] == {"angle": context["angle"], "scale": 1.0, "score": found["confidence"]}


@pytest.mark.parametrize("colour", [False, True])
def test_grey_and_colour_give_the_same(looking: Looking, colour: bool) -> None:
    image = scene(BRACKET, Place(200.3, 190.8, 77), size=SIZE)
    given = np.ascontiguousarray(np.repeat(image[:, :, None], 3, axis=2)) if colour else image
    (found,) = looking.look(given)["detectedRectangles"]
    assert looking.errors(found, Place(200.3, 190.8, 77)) == pytest.approx((0, 0, 0), abs=0.06)


def test_nothing_is_found_where_nothing_is_and_that_is_nok(looking: Looking) -> None:
    for seed in range(6):
        context = looking.look(scene(BRACKET, size=SIZE, seed=seed, clutter=30))
        assert context["detectedRectangles"] == []
        assert (context["result"], context["angle"], context["worked"]) == (False, None, True)
        assert context["shapes"] == {"shape": {"count": 0, "found": []}}
    flat = looking.look(np.full(SIZE, 90, np.uint8))
    assert (flat["result"], flat["detectedRectangles"]) == (False, [])


def test_several_are_found_best_first_and_counted(tmp_path: Path) -> None:
    three = [Place(100, 100, 10), Place(300.5, 120, 200), Place(440, 300, -75)]
    image = scene(BRACKET, *three, size=SIZE, clutter=0)
    image[60:90, 50:130] = 60  # a piece of the first is covered
    looking = Looking(tmp_path, BRACKET, count_min=3, count_max=3, label="bracket")
    context = looking.look(image)
    found = context["detectedRectangles"]
    assert [each["confidence"] for each in found] == sorted((each["confidence"] for each in found), reverse=True)
    assert found[2]["confidence"] < 0.9 < found[1]["confidence"]
    assert {each["classNames"][0]["label"] for each in found} == {"bracket"}
    for place in three:
        assert min(np.hypot(*looking.errors(each, place)[:2]) for each in found) < 0.1
    assert context["result"] is True
    assert looking.look(scene(BRACKET, *three[:2], size=SIZE, clutter=0))["result"] is False
    four = looking.look(scene(BRACKET, *three, Place(130, 320, 33), size=SIZE, clutter=0))
    assert (four["result"], four["shapes"]["shape"]["count"]) == (False, 4)


@pytest.mark.parametrize(
    ("options", "count", "result"),
    [({}, 1, True), ({"most": 5}, 2, True), ({"count_min": 0, "most": 5}, 2, None), ({"count_min": 3}, 2, False)],
)
def test_the_counts_judge_and_most_says_how_many(
    tmp_path: Path, options: dict[str, int], count: int, result: bool | None
) -> None:
    context = Looking(tmp_path, BRACKET, **options)
    image = scene(BRACKET, Place(120, 200, 10), Place(400, 200, 100), size=SIZE, clutter=0)
    found = context.look(image)
    assert len(found["detectedRectangles"]) == count
    assert found["result"] is (True if result is None else result)
    if result is None:
        assert context.look(np.full(SIZE, 9, np.uint8))["result"] is True


def test_all_of_many_are_found(tmp_path: Path) -> None:
    turned = np.random.default_rng(2).uniform(-180, 180, 20).tolist()
    many = [Place(90 + 160 * (i % 5), 90 + 160 * (i // 5), degrees) for i, degrees in enumerate(turned)]
    looking = Looking(tmp_path, BRACKET, most=25)
    found = looking.look(scene(BRACKET, *many, size=(660, 820), clutter=0))["detectedRectangles"]
    assert len(found) == 20
    for place in many:
        assert min(np.hypot(*looking.errors(each, place)[:2]) for each in found) < 0.1


def test_those_that_lie_over_each_other_too_far_are_one(tmp_path: Path) -> None:
    part = Part(160, 160, lambda pen: pen.polygon([(30, 40), (40, 30), (130, 115), (115, 130)], 200))
    looked_at = [scene(part, Place(x, 200, 0), size=SIZE, clutter=0) for x in (200, 250)]
    image = np.maximum(*looked_at)  # two slanting bars beside each other: half of their boxes is shared
    for overlap, count in ((0.6, 2), (0.4, 1)):
        found = Looking(tmp_path, part, most=4, overlap=overlap).look(image)["detectedRectangles"]
        assert len(found) == count


def test_a_part_that_leaves_the_picture_is_found_by_what_is_seen(looking: Looking) -> None:
    for place in (Place(45, 200, 15), Place(280, 30, 200), Place(520, 380, 80)):
        context = looking.look(scene(BRACKET, place, size=SIZE, clutter=0))
        (found,) = context["detectedRectangles"]
        assert looking.errors(found, place) == pytest.approx((0, 0, 0), abs=0.15)
        assert 0.6 < found["confidence"] < 0.97


def test_scales_are_found_within_their_range(tmp_path: Path) -> None:
    looking = Looking(tmp_path, BRACKET, scale_min=0.8, scale_max=1.3)
    for scale in (0.8, 0.93, 1.0, 1.17, 1.3):
        place = Place(250.4, 200.7, 61, scale)
        context = looking.look(scene(BRACKET, place, size=SIZE))
        (found,) = context["detectedRectangles"]
        assert looking.errors(found, place) == pytest.approx((0, 0, 0), abs=0.1)
        assert context["shapes"]["shape"]["found"][0]["scale"] == pytest.approx(scale, abs=0.002)
        assert found["width"] == pytest.approx(BRACKET.box[2] * scale, abs=1)
    for scale in (0.6, 1.6):
        assert looking.look(scene(BRACKET, Place(250, 200, 61, scale), size=SIZE))["result"] is False


def test_angles_are_found_within_their_range(tmp_path: Path) -> None:
    looking = Looking(tmp_path, BRACKET, angle_min=-20, angle_max=30)
    for degrees in (-20, 0, 12.5, 30):
        place = Place(250.4, 200.7, degrees)
        (found,) = looking.look(scene(BRACKET, place, size=SIZE))["detectedRectangles"]
        assert looking.errors(found, place) == pytest.approx((0, 0, 0), abs=0.1)
    for degrees in (-40, 50, 180):
        assert looking.look(scene(BRACKET, Place(250, 200, degrees), size=SIZE))["result"] is False
    late = Looking(tmp_path, BRACKET, angle_min=170, angle_max=200)
    assert late.look(scene(BRACKET, Place(250, 200, -170), size=SIZE))["angle"] == pytest.approx(190, abs=0.1)


def test_any_of_the_equal_angles_of_a_symmetrical_part_is_right(tmp_path: Path) -> None:
    def cross(pen: Pen) -> None:
        pen.box(25, 55, 125, 95, 190)
        pen.box(55, 25, 95, 125, 190)

    part = Part(150, 150, cross)
    looking = Looking(tmp_path, part)
    for seed, place in enumerate(places(8, seed=4)):
        (found,) = looking.look(scene(part, place, size=SIZE, seed=seed, clutter=5))["detectedRectangles"]
        x, y, turned = looking.errors(found, place)
        assert (x, y, math.remainder(turned, 90)) == pytest.approx((0, 0, 0), abs=0.08)


def test_a_disc_has_a_place_and_no_angle(tmp_path: Path) -> None:
    part = Part(120, 120, lambda pen: pen.disc(60, 60, 45, 200))
    looking = Looking(tmp_path, part)
    place = Place(211.3, 188.6, 50)
    (found,) = looking.look(scene(part, place, size=SIZE))["detectedRectangles"]
    assert looking.errors(found, place)[:2] == pytest.approx((0, 0), abs=0.08)


def test_a_part_that_looks_almost_the_same_upside_down_is_found_the_right_way_round(tmp_path: Path) -> None:
    def bar(pen: Pen) -> None:
        pen.box(10, 12, 190, 48, 200)
        pen.box(160, 20, 176, 34, 60)  # by this alone its ends differ

    part = Part(200, 60, bar)
    looking = Looking(tmp_path, part)
    for seed, place in enumerate(places(12, seed=6)):
        (found,) = looking.look(scene(part, place, size=SIZE, seed=seed, clutter=0))["detectedRectangles"]
        assert looking.errors(found, place) == pytest.approx((0, 0, 0), abs=0.1)


def test_contrast_the_other_way_round_is_found_where_the_project_says_so(tmp_path: Path) -> None:
    image = 255 - scene(BRACKET, Place(250, 200, 61), size=SIZE, clutter=0)
    assert Looking(tmp_path, BRACKET).look(image)["result"] is False
    looking = Looking(tmp_path, BRACKET, contrast="either")
    (found,) = looking.look(image)["detectedRectangles"]
    assert looking.errors(found, Place(250, 200, 61)) == pytest.approx((0, 0, 0), abs=0.1)


def test_only_edges_of_the_part_count_where_the_picture_shows_more(tmp_path: Path) -> None:
    whole = scene(BRACKET, Place(280, 210, 0), size=SIZE, noise=0, clutter=12, seed=3)
    cv2.imwrite(str(tmp_path / "whole.png"), whole)
    corners = [[210.0, 150.0], [350.0, 150.0], [350.0, 270.0], [210.0, 270.0]]
    for part in (RegionOptions(x=210, y=150, width=140, height=120), RegionOptions(polygon=corners)):
        looking = Looking(tmp_path, BRACKET, file="whole.png", part=part)
        found = looking.look(scene(BRACKET, Place(200.5, 220.25, 140), size=SIZE, seed=9))["detectedRectangles"]
        assert found[0]["rotate"] == pytest.approx(140, abs=0.05)
        assert (found[0]["width"], found[0]["height"]) == pytest.approx(BRACKET.box[2:], abs=2)


def test_middles_lie_in_the_region_though_edges_may_not(tmp_path: Path) -> None:
    image = scene(BRACKET, Place(120, 210, 10), Place(420, 210, 100), size=SIZE, clutter=0)
    for region, x in (
        (RegionOptions(x=100, y=190, width=40, height=40), 120),
        (RegionOptions(x=400, y=190, width=40, height=40), 420),
        (RegionOptions(polygon=[[300, 0], [560, 0], [560, 420], [300, 400]]), 420),
    ):
        (found,) = Looking(tmp_path, BRACKET, most=3, region=region).look(image)["detectedRectangles"]
        assert found["x"] + found["width"] / 2 == pytest.approx(x, abs=3)
    between = RegionOptions(x=200, y=0, width=150, height=420)
    assert Looking(tmp_path, BRACKET, region=between).look(image)["detectedRectangles"] == []
    beside = Looking(tmp_path, BRACKET, region=RegionOptions(x=500, y=0, width=150, height=420)).look(image)
    assert "the region reaches to x = 650" in beside["told"][0]["message"]
    assert beside["worked"] is False
