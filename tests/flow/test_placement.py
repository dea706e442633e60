"""What is found in an image that was cut, turned or scaled lies where it lies in the frame that came in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support.projects import inspect, write_project
from workers.context.placement import composed, heat_in_frame, points_in_frame, rectangle_in_frame, usable_matrix
from workers.flow.flow import Flow
from workers.flow.project import load_project

Image = NDArray[np.uint8]

FIND = """
import cv2
import numpy as np

def main(context):
    image = context["image"]
    grey = image if image.ndim == 2 else image.max(axis=2)
    y, x = np.nonzero(grey > 128)
    context["seenShape"] = list(image.shape)
    context["detectedRectangles"].append(
        {"x": int(x.min()), "y": int(y.min()), "width": int(np.ptp(x)) + 1, "height": int(np.ptp(y)) + 1}
    )
    context["heatmaps"].append((grey > 128).astype(np.float32))
"""
SPOT = (70, 40, 20, 10)  # x, y, width, height


def spotted() -> Image:
    """Black, (120, 200, 3), with one white spot."""
    image = np.zeros((120, 200, 3), np.uint8)
    x, y, width, height = SPOT
    image[y : y + height, x : x + width] = 255
    return image


def found(folder: Path, steps: str, image: Image | None = None) -> tuple[dict[str, Any], NDArray[np.float32]]:
    """Preprocess by `steps`, then find the spot; the context, and the heat that goes with it."""
    flow = f'[[flow]]\nmodule = "preprocess"\nsteps = [{steps}]\n[[flow]]\nmodule = "code"\nfile = "code/find.py"\n'
    project = load_project(write_project(folder, flow, find=FIND))
    picture = spotted() if image is None else image
    inspection = inspect(Flow.prepare(project), picture)
    assert inspection.context["errors"] == []
    assert inspection.image is picture  # what was found is shown on the frame that came in
    assert inspection.heat is not None
    return inspection.context, inspection.heat


def place(rectangle: dict[str, Any]) -> tuple[float, ...]:
    return tuple(rectangle[key] for key in ("x", "y", "width", "height", "rotate"))


CROP = '{ do = "crop", x = 50, y = 30, width = 100, height = 60 }'


@pytest.mark.parametrize(
    ("steps", "shape"),
    [
        (CROP, [60, 100, 3]),
        ('{ do = "resize", factor = 2.0 }', [240, 400, 3]),
        ('{ do = "resize", width = 400, height = 120 }', [120, 400, 3]),
        ('{ do = "rotate", degrees = 90 }', [200, 120, 3]),
        ('{ do = "rotate", degrees = 180 }', [120, 200, 3]),
        ('{ do = "rotate", degrees = -90 }', [200, 120, 3]),
        ('{ do = "flip", along = "horizontal" }', [120, 200, 3]),
        ('{ do = "flip", along = "vertical" }', [120, 200, 3]),
        ('{ do = "flip", along = "both" }', [120, 200, 3]),
        ('{ do = "grey" }', [120, 200]),
        (f'{CROP}, {{ do = "rotate", degrees = 90 }}, {{ do = "resize", factor = 2.0 }}', [200, 120, 3]),
        (f'{{ do = "resize", factor = 2.0 }}, {CROP.replace("50", "120").replace("30", "70")}', [60, 100, 3]),
    ],
)
def test_a_rectangle_and_its_heat_lie_where_the_spot_is(tmp_path: Path, steps: str, shape: list[int]) -> None:
    context, heat = found(tmp_path, steps)
    assert context["seenShape"] == shape
    assert context["imageShape"] == {"height": 120, "width": 200}
    (rectangle,) = context["detectedRectangles"]
    assert place(rectangle) == (*map(float, SPOT), 0.0)
    assert rectangle["area"] == pytest.approx(SPOT[2] * SPOT[3])
    assert heat.shape == (120, 200)
    x, y, width, height = SPOT
    assert heat[y + 1 : y + height - 1, x + 1 : x + width - 1].min() == pytest.approx(1.0, abs=0.01)
    heat[y - 1 : y + height + 1, x - 1 : x + width + 1] = 0
    assert heat.max() == pytest.approx(0.0, abs=0.01)


def test_where_the_image_was_turned_so_is_the_rectangle(tmp_path: Path) -> None:
    context, _ = found(tmp_path, '{ do = "rotate", degrees = 30 }')
    (rectangle,) = context["detectedRectangles"]
    centre = rectangle["x"] + rectangle["width"] / 2, rectangle["y"] + rectangle["height"] / 2
    assert centre == pytest.approx((SPOT[0] + SPOT[2] / 2, SPOT[1] + SPOT[3] / 2), abs=0.75)
    assert rectangle["rotate"] == pytest.approx(-30)


def test_a_part_that_is_looked_at_from_the_side_is_found_where_it_lies(tmp_path: Path) -> None:
    corners = [[30, 20], [170, 40], [150, 110], [20, 90]]
    flat = np.zeros((100, 100, 3), np.uint8)
    flat[40:60, 40:60] = 255
    upright = np.array([[0, 0], [100, 0], [100, 100], [0, 100]], np.float32)
    matrix = cv2.getPerspectiveTransform(upright, np.array(corners, np.float32))
    image = np.asarray(cv2.warpPerspective(flat, matrix, (200, 120)), np.uint8)
    steps = f'{{ do = "perspective", corners = {corners}, width = 100, height = 100 }}'
    context, _ = found(tmp_path, steps, image)
    (rectangle,) = context["detectedRectangles"]
    y, x = np.nonzero(image[:, :, 0] > 128)
    assert rectangle["x"] == pytest.approx(x.min(), abs=2)
    assert rectangle["x"] + rectangle["width"] == pytest.approx(x.max() + 1, abs=2)
    assert rectangle["y"] == pytest.approx(y.min(), abs=2)
    assert rectangle["y"] + rectangle["height"] == pytest.approx(y.max() + 1, abs=2)


SAYS = """
def main(context):
    context["image"] = context["image"][30:90, 50:150]
    context["placement"] = {placement}
"""


def code_flow(folder: Path, *sources: str) -> Flow:
    tables = "".join(f'[[flow]]\nmodule = "code"\nfile = "code/s{i}.py"\n' for i, _ in enumerate(sources))
    return Flow.prepare(load_project(write_project(folder, tables, **{f"s{i}": s for i, s in enumerate(sources)})))


def test_code_that_crops_says_so(tmp_path: Path) -> None:
    placement = "[[1, 0, 50], [0, 1, 30]]"
    inspection = inspect(code_flow(tmp_path, FIND, SAYS.format(placement=placement), FIND), spotted())
    first, second = inspection.context["detectedRectangles"]
    assert place(first) == place(second) == (*map(float, SPOT), 0.0)
    assert inspection.context["errors"] == []
    assert inspection.image.shape == (120, 200, 3)
    assert "placement" not in inspection.context


@pytest.mark.parametrize(
    "placement", ["'left'", "[[0, 0, 0], [0, 0, 0]]", "[[1, 0], [0, 1]]", "[[1, 0, float('nan')], [0, 1, 0]]"]
)
def test_a_placement_that_is_none_is_an_error_of_the_frame(tmp_path: Path, placement: str) -> None:
    inspection = inspect(code_flow(tmp_path, SAYS.format(placement=placement)), spotted())
    assert inspection.context["result"] is False
    assert inspection.context["errors"][0]["message"].startswith("context['placement'] is")


def test_branches_move_their_images_each_for_itself(tmp_path: Path) -> None:
    find = '{ module = "code", file = "code/find.py" }'
    branches = [f'[{{ module = "preprocess", steps = [{CROP}] }}, {find}]', f"[{find}]"]
    flow = f'[[flow]]\nmodule = "parallel"\nbranches = [{", ".join(branches)}]\n'
    flow += '[[flow]]\nmodule = "code"\nfile = "code/find.py"\n'
    inspection = inspect(Flow.prepare(load_project(write_project(tmp_path, flow, find=FIND))), spotted())
    assert [place(each) for each in inspection.context["detectedRectangles"]] == [(*map(float, SPOT), 0.0)] * 3
    assert inspection.context["seenShape"] == [60, 100, 3]  # the first branch's image goes on


NUMBERS = st.floats(-500, 500, allow_nan=False)


@given(st.floats(0.2, 5), st.floats(-180, 180), NUMBERS, NUMBERS, st.booleans())
def test_corners_of_a_moved_rectangle_are_the_moved_corners(
    scale: float, degrees: float, dx: float, dy: float, mirrored: bool
) -> None:
    turn = np.radians(degrees)
    matrix = np.array(
        [[scale * np.cos(turn), -scale * np.sin(turn), dx], [scale * np.sin(turn), scale * np.cos(turn), dy], [0, 0, 1]]
    )
    if mirrored:
        matrix = matrix @ np.diag([-1.0, 1, 1])
    rectangle = {"x": 10.0, "y": 20.0, "width": 40.0, "height": 30.0, "rotate": 0.0, "area": 1200.0}
    moved = rectangle_in_frame(rectangle, matrix)
    corners = points_in_frame(np.array([[10.0, 20], [50, 20], [50, 50], [10, 50]]), matrix)
    box = cv2.boxPoints(
        (
            (moved["x"] + moved["width"] / 2, moved["y"] + moved["height"] / 2),
            (moved["width"], moved["height"]),
            moved["rotate"],
        )
    )
    for corner in corners:
        assert np.linalg.norm(box - corner, axis=1).min() < 0.05
    assert moved["area"] == pytest.approx(1200 * scale * scale, rel=1e-6)


def test_placements_are_composed_from_the_outside_in() -> None:
    crop, double = np.array([[1.0, 0, 50], [0, 1, 30], [0, 0, 1]]), np.diag([0.5, 0.5, 1.0])
    both = composed(composed(None, crop), double)
    assert points_in_frame(np.array([[20.0, 10.0]]), both).tolist() == [[60.0, 35.0]]
    assert usable_matrix([[2, 0, 0], [0, 2, 0]]).shape == (3, 3)
    heat = heat_in_frame(np.ones((10, 10), bool), crop, 120, 200)
    assert (heat.shape, float(heat.sum())) == ((120, 200), 100.0)
