"""The module `blobs` where it finds its levels itself, and where shapes have limits."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.modules.test_blobs import THREE, boxes, found, look, plain
from workers.modules.blobs.otsu import three_classes, two_classes
from workers.modules.region_options import RegionOptions

# thresholds that are found


def test_otsu_finds_the_level_between_two_humps() -> None:
    rng = np.random.default_rng(2)
    image = boxes(plain(level=150), *THREE, level=60)
    noisy = np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)
    context = look(noisy, threshold="otsu")
    assert [r["x"] for r in context["detectedRectangles"]] == [10, 80, 120]
    assert 85 < context["blobs"]["blobs"]["darker_than"] < 125
    bright = look(255 - noisy, threshold="otsu", polarity="bright")
    assert [r["area"] for r in bright["detectedRectangles"]] == [300.0, 480.0, 25.0]


def test_otsu_agrees_with_opencv() -> None:
    image = cv2.GaussianBlur(np.random.default_rng(8).integers(0, 256, (90, 90), dtype=np.uint8), (0, 0), 1.5)
    level, _ = cv2.threshold(image, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    histogram = np.bincount(image.ravel(), minlength=256).astype(np.float64)
    assert abs(two_classes(histogram)[0] - 1 - level) <= 1


def test_three_classes_are_parted_in_the_middle_of_the_gaps() -> None:
    histogram = np.zeros(256)
    histogram[[20, 120, 220]] = (50, 900, 50)
    middle, bright, apart = three_classes(histogram)
    assert (middle, bright) == (70, 170)
    assert apart == (100.0, 100.0)


def test_otsu_finds_dark_and_bright_at_once() -> None:
    image = boxes(boxes(plain(level=120), (20, 20, 10, 10), level=20), (60, 20, 10, 10), level=230)
    context = look(image, threshold="otsu", polarity="both")
    assert [r["classNames"][0]["label"] for r in context["detectedRectangles"]] == ["dark", "bright"]


@pytest.mark.parametrize("polarity", ["dark", "bright", "both"])
@pytest.mark.parametrize("noise", [0, 3])
def test_otsu_finds_nothing_where_there_is_nothing(polarity: str, noise: int) -> None:
    image = np.clip(plain() + np.random.default_rng(1).normal(0, noise, (120, 160)), 0, 255).astype(np.uint8)
    assert found(image, threshold="otsu", polarity=polarity) == []


@pytest.mark.parametrize("polarity", ["dark", "bright"])
def test_adaptive_sees_spots_under_light_that_falls_off(polarity: str) -> None:
    light = np.tile(np.linspace(60, 200, 400), (200, 1))
    sign = -1 if polarity == "dark" else 1
    for x in (50, 200, 350):
        light[90:100, x : x + 10] += sign * 35
    image = light.astype(np.uint8)
    assert [r[0] for r in found(image, threshold="adaptive", polarity=polarity)] == [50, 200, 350]
    other = "bright" if polarity == "dark" else "dark"
    assert found(image, threshold="adaptive", polarity=other) == []
    assert len(found(image, threshold="adaptive", polarity="both")) == 3
    assert found(image, threshold="adaptive", polarity=polarity, contrast_levels=40) == []


def test_otsu_looks_at_the_region_alone() -> None:
    image = boxes(plain(level=120), (20, 20, 10, 10), level=60)
    image[:, 80:] = 255
    region = RegionOptions(polygon=[[0, 0], [80, 0], [80, 119], [40, 120], [0, 119]])
    assert found(image, region=region, threshold="otsu") == [(20, 20, 10, 10, 100.0)]


# limits


@pytest.mark.parametrize(
    ("limits", "left"),
    [
        ({"area_min_px": 100}, [10, 80]),
        ({"area_max_px": 300}, [10, 120]),
        ({"width_min_px": 12}, [10, 80]),
        ({"width_max_px": 12}, [80, 120]),
        ({"height_min_px": 10}, [10, 80]),
        ({"height_max_px": 10}, [10, 120]),
        ({"elongation_min": 3.2}, [80]),
        ({"elongation_max": 3.0}, [10, 120]),
        ({"roundness_min": 0.5}, [120]),
        ({"roundness_max": 0.5}, [10, 80]),
        ({"solidity_min": 1}, [10, 80, 120]),
        ({"solidity_max": 0.99}, []),
    ],
)
def test_limits_hold_at_their_very_value(limits: dict[str, float], left: list[int]) -> None:
    assert [r[0] for r in found(boxes(plain(), *THREE), **limits)] == left


def test_shapes_have_the_values_that_geometry_says() -> None:
    image = plain(300, 500)
    cv2.circle(image, (60, 60), 40, 30, -1)
    cv2.fillPoly(image, [cv2.boxPoints(((200, 150), (120, 30), 35)).astype(np.int32)], 30)
    cv2.circle(image, (400, 80), 40, 30, 8)  # a ring
    boxes(image, (350, 180, 90, 20), (350, 200, 20, 70))  # an L: 90 x 90, and 70 x 70 missing
    names = {60: "disc", 200: "bar", 400: "ring", 395: "L"}

    def left(**limits: float) -> set[str]:
        return {names[min(names, key=lambda at: abs(at - x - w / 2))] for x, _, w, _, _ in found(image, **limits)}

    assert left(roundness_min=0.95) == {"disc"}
    assert left(elongation_min=3.6, elongation_max=4.4) == {"bar"}
    assert left(solidity_min=0.99) == {"disc", "bar"}
    assert left(solidity_max=0.5) == {"ring"}
    assert left(elongation_max=1.05, solidity_max=0.7) == {"ring", "L"}


def test_a_blob_in_the_hole_of_another_has_its_own_outline() -> None:
    image = plain(200, 200)
    cv2.circle(image, (100, 100), 80, 30, 6)
    cv2.circle(image, (100, 100), 20, 30, -1)
    assert [r[2] for r in found(image, roundness_min=0.9)] == [41]
