"""Regions of modules that look at a part of the picture: which pixels are in them, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from tests.support.projects import surroundings_in, write_project
from workers.context.context import complete, new_context
from workers.context.run import Run
from workers.errors import ProjectInvalid
from workers.flow.project import load_project
from workers.modules.base import on_context
from workers.modules.region import Area, Region, RegionOutside
from workers.modules.region_options import RegionOptions

IMAGE = np.zeros((60, 80), np.uint8)


def region(**options: Any) -> Region:
    return Region(RegionOptions(**options))


def whole_mask(area: Area) -> np.ndarray[Any, np.dtype[np.bool_]]:
    mask = np.zeros(IMAGE.shape, bool)
    mask[area.window] = True if area.mask is None else area.mask > 0
    return mask


def test_without_options_it_is_the_whole_image() -> None:
    area = Region(None).area(IMAGE)
    assert (area.x, area.y, area.width, area.height, area.area_px, area.mask) == (0, 0, 80, 60, 4800, None)
    assert len(area.rim) == 2 * (80 + 60) - 4


def test_a_rectangle_and_the_polygon_of_its_corners_have_the_same_pixels() -> None:
    rectangle = region(x=10, y=20, width=30, height=15).area(IMAGE)
    polygon = region(polygon=[[10, 20], [40, 20], [40, 35], [10, 35]]).area(IMAGE)
    assert rectangle.area_px == 450
    assert (whole_mask(rectangle) == whole_mask(polygon)).all()
    assert (rectangle.rim == polygon.rim).all()


@pytest.mark.parametrize("reverse", [False, True])
def test_a_polygon_has_the_pixels_whose_centres_are_inside(reverse: bool) -> None:
    corners: list[list[float]] = [[5, 5], [70.5, 12], [40, 30.2], [60, 55], [8, 50]]  # with a dent
    area = region(polygon=corners[::-1] if reverse else corners).area(IMAGE)
    outline = np.array(corners, np.float32)
    inside = np.array([[cv2.pointPolygonTest(outline, (x + 0.5, y + 0.5), True) for x in range(80)] for y in range(60)])
    clear = abs(inside) > 1e-3  # where a centre lies on an edge, either is right
    assert (whole_mask(area) == (inside > 0))[clear].all()
    assert (~clear).sum() < 5
    assert area.area_px == whole_mask(area).sum()


def test_a_polygon_that_crosses_itself_has_both_its_wings() -> None:
    area = region(polygon=[[0, 0], [40, 40], [40, 0], [0, 40]]).area(IMAGE)
    mask = whole_mask(area)
    assert mask[20, 2]
    assert mask[20, 37]
    assert not mask[2, 20]
    assert not mask[37, 20]


def test_the_rim_of_a_polygon_is_what_has_a_neighbour_outside() -> None:
    area = region(polygon=[[10, 10], [50, 10], [10, 50]]).area(IMAGE)
    rows, columns = np.divmod(area.rim, area.width)
    mask = whole_mask(area)
    for y, x in zip(rows + area.y, columns + area.x, strict=True):
        assert mask[y, x]
        assert not mask[y - 1 : y + 2, x - 1 : x + 2].all()
    assert mask[20, 20]
    assert (20 - area.y) * area.width + 20 - area.x not in area.rim


def test_an_area_is_worked_out_once_for_a_size_and_few_sizes_are_kept() -> None:
    own = region(polygon=[[1, 1], [9, 1], [1, 9]])
    first = own.area(IMAGE)
    assert own.area(np.zeros((60, 80, 3), np.uint8)) is first
    for height in range(10, 30):
        own.area(np.zeros((height, 80), np.uint8))
    assert len(own._areas) <= 4
    assert own.area(IMAGE) is not first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"x": 60, "y": 0, "width": 21, "height": 5},
            "reaches to x = 81, y = 5 px; expected inside the image, 80 x 60",
        ),
        ({"polygon": [[0, 0], [10, 60.5], [0, 60]]}, "reaches to x = 10, y = 60.5 px"),
        ({"polygon": [[1.6, 1.6], [1.9, 1.6], [1.6, 1.9]]}, "holds the centre of no pixel"),
    ],
)
def test_a_region_that_is_not_in_the_image_is_an_error_of_the_frame(options: dict[str, Any], message: str) -> None:
    own = region(**options)
    with pytest.raises(RegionOutside, match=message):
        own.area(IMAGE)
    context, run = new_context(IMAGE, ""), Run.start(2**62)
    assert not on_context(lambda given: given.update(never=own.area(IMAGE)), surroundings_in(Path()))(context, run)
    assert "never" not in context
    assert message in run.errors[0]["message"]
    assert complete(context, run, *IMAGE.shape[:2])["result"] is False


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "is empty; expected x, y, width and height of a rectangle, or a polygon"),
        ({"x": 1, "y": 2}, "has no width, height"),
        ({"x": 1, "polygon": [[0, 0], [1, 0], [0, 1]]}, "has a polygon and x"),
        ({"polygon": [[0, 0], [5, 5], [9, 9]]}, "corners lie on one line"),
        ({"polygon": [[0, 0], [5, 5]]}, "at least 3 items"),
        ({"polygon": [[0, 0], [5, 5, 5], [9, 0]]}, "at most 2 items"),
        ({"polygon": [[0, 0], [float("nan"), 5], [9, 0]]}, "finite number"),
        ({"x": -1, "y": 0, "width": 1, "height": 1}, "greater than or equal to 0"),
        ({"x": 0, "y": 0, "width": 0, "height": 1}, "greater than or equal to 1"),
    ],
)
def test_bad_regions_are_told_what_was_expected(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RegionOptions(**options)


def test_mistakes_in_a_region_have_their_key_path(tmp_path: Path) -> None:
    flow = """
        [[flow]]
        module = "blobs"
        darker_than = 80
        region = { x = 0, y = 0, widht = 5, height = 5 }

        [[flow]]
        module = "color"
        classes = [{ samples_bgr = [[0, 0, 0]], tolerance = 5 }]
        regions = [{ name = "a", regoin = { x = 0 } }]
    """
    with pytest.raises(ProjectInvalid) as caught:
        load_project(write_project(tmp_path, flow))
    assert caught.value.message.splitlines() == [
        "flow[0].region.widht: is unknown; known are x, y, width, height, polygon; did you mean width?",
        "flow[1].classes[0].name: is missing: how limits and `colors` call it",
        "flow[1].regions[0].regoin: is unknown; known are name, region, share_percent; did you mean region?",
    ]
