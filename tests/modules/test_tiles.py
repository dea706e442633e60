"""Tiles cover a picture, and objects that their borders cut are one again, wherever they lie."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench import tiny_models
from tests.modules.squares import found, looked, prepared, squares
from tests.support.projects import inspect, write_project
from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.modules.detector.options import DetectorOptions
from workers.modules.models.boxes import Boxes
from workers.modules.models.looking import together
from workers.modules.models.shown import View
from workers.modules.models.tiles import cut_at, mended, tiles_of

TILES = "tile_px = 64\ntile_overlap_px = 16\n"


@pytest.mark.parametrize("size", [(1, 1), (64, 64), (65, 64), (300, 200), (1920, 1024), (63, 700)])
@pytest.mark.parametrize("overlap_px", [0, 16, 32])
def test_tiles_cover_all_of_it_and_lie_over_each_other(size: tuple[int, int], overlap_px: int) -> None:
    view = View(5, 7, *size)
    tiles = tiles_of(view, 64, overlap_px)
    seen = np.zeros((size[1], size[0]), int)
    for tile in tiles:
        assert (tile.width, tile.height) == (min(64, size[0]), min(64, size[1]))
        assert tile.x >= 5
        assert tile.y >= 7
        seen[tile.y - 7 : tile.y - 7 + tile.height, tile.x - 5 : tile.x - 5 + tile.width] += 1
    assert seen.min() >= 1
    lefts = sorted({tile.x for tile in tiles})
    assert all(after - before <= 64 - overlap_px for before, after in pairwise(lefts))


@pytest.mark.parametrize("x", range(40, 66, 3))
def test_a_small_object_is_found_once_wherever_it_lies(tmp_path: Path, x: int) -> None:
    tiny_models.detector(tmp_path / "model.onnx", metadata=tiny_models.ultralytics("detect", 64))
    image = squares(("red", x, 100), ("green", 150, x), size=(140, 200))
    # half of a square, at the border of a tile, is half as sure
    boxes = found(looked(prepared(tmp_path, "detector", TILES + "min_confidence = 0.6"), image))
    assert boxes == [("red", x, 100, 8, 8), ("green", 150, x, 8, 8)]
    # whole it is scaled away
    assert found(looked(prepared(tmp_path, "detector"), image)) == []


def boxes_in(tiles: list[View], objects: list[tuple[float, ...]]) -> tuple[Boxes, NDArray[np.bool_], NDArray[np.intp]]:
    """What a perfect detector would find of objects (x0, y0, x1, y1, label) in each tile."""
    whole = View(0, 0, max(t.x + t.width for t in tiles), max(t.y + t.height for t in tiles))
    rows, numbers = [], []
    for number, tile in enumerate(tiles):
        for x0, y0, x1, y1, label in objects:
            left, top = max(x0, tile.x), max(y0, tile.y)
            right, bottom = min(x1, tile.x + tile.width), min(y1, tile.y + tile.height)
            if right - left > 2 and bottom - top > 2:
                rows.append((left, top, right, bottom, label))
                numbers.append(number)
    table = np.array(rows, np.float32)
    confidence = np.linspace(0.5, 0.9, len(rows)).astype(np.float32)
    boxes = Boxes(table[:, :4], confidence, table[:, 4].astype(np.int64), np.empty((len(rows), 0), np.float32))
    at = np.array(numbers)
    cut = np.zeros(len(boxes), bool)
    for number, tile in enumerate(tiles):
        cut[at == number] = cut_at(boxes.at(at == number), tile, whole)
    return boxes, cut, at


@pytest.mark.parametrize(
    "objects",
    [
        [(10, 10, 30, 30, 0)],
        [(40, 20, 90, 40, 0)],
        [(40, 20, 230, 44, 0)],  # over four tiles
        [(20, 10, 40, 180, 0)],
        [(30, 30, 120, 110, 0)],  # over four tiles in a square
        [(40, 20, 90, 40, 0), (40, 24, 90, 44, 1)],  # of two labels
        [(40, 20, 58, 40, 0), (62, 20, 90, 40, 0)],  # side by side, over the same border
        [(44, 10, 70, 26, 0), (44, 30, 70, 46, 0)],  # one above the other
    ],
)
def test_what_a_border_has_cut_is_one_again(objects: list[tuple[float, ...]]) -> None:
    tiles = tiles_of(View(0, 0, 256, 208), 64, 16)
    boxes = mended(*boxes_in(tiles, objects)).apart(0.5)
    told = sorted(
        (*corners, label) for corners, label in zip(boxes.corners.tolist(), boxes.label.tolist(), strict=True)
    )
    assert told == sorted(objects)


@pytest.mark.parametrize("module", ["detector", "segmentation"])
def test_what_tiles_of_a_cropped_and_turned_image_show_lies_in_the_frame(tmp_path: Path, module: str) -> None:
    labels = '["red", "green"]'
    if module == "detector":
        tiny_models.detector(tmp_path / "model.onnx")
    else:
        tiny_models.planes(tmp_path / "model.onnx")
        labels = '["nothing", "red", "green"]'
    steps = "[{ do = 'crop', x = 40, y = 30, width = 192, height = 128 }, { do = 'rotate', degrees = 90 }]"
    flow = Flow.prepare(
        load_project(
            write_project(
                tmp_path,
                f'[[flow]]\nmodule = "preprocess"\nsteps = {steps}\n\n[[flow]]\nmodule = "{module}"\n'
                f'file = "model.onnx"\nlabels = {labels}\nmin_confidence = 0.6\n{TILES}',
            )
        )
    )
    image = squares(("red", 60, 50), ("green", 204, 134), ("red", 2, 2), size=(200, 300))
    inspected = inspect(flow, image)
    boxes = found(inspected.context)
    assert inspected.context["errors"] == []
    assert [label for label, *_ in boxes] == ["red", "green"]
    assert boxes[0][1:] == pytest.approx((60, 50, 8, 8), abs=2)
    assert boxes[1][1:] == pytest.approx((204, 134, 8, 8), abs=2)
    if inspected.heat is not None:
        assert inspected.heat.shape == (200, 300)
        assert inspected.heat[54, 64] > 0.6
        assert inspected.heat[6, 6] == 0


def test_boxes_without_number_take_a_blink() -> None:
    tiles = tiles_of(View(0, 0, 1920, 1024), 320, 64)
    random = np.random.default_rng(1)
    many = []
    for tile in tiles:
        first = np.add(random.uniform(0, 280, (300, 2)), (tile.x, tile.y))
        corners = np.hstack([first, first + random.uniform(5, 40, (300, 2))]).astype(np.float32)
        sure = random.uniform(0, 1, 300).astype(np.float32)
        many.append(Boxes(corners, sure, np.zeros(300, np.int64), corners[:, :0]))
    options = DetectorOptions(file="a.onnx", tile_px=320)
    boxes = together(many, tiles, View(0, 0, 1920, 1024), options, None)
    assert len(boxes) == 300
    assert (np.diff(boxes.confidence) <= 0).all()


def test_what_is_larger_than_a_tile_is_found_whole_too(tmp_path: Path) -> None:
    tiny_models.detector(tmp_path / "model.onnx", metadata=tiny_models.ultralytics("detect", 64))
    image = np.zeros((512, 512, 3), np.uint8)
    image[64:128, 128:192] = (0, 0, 255)
    image[300:308, 400:408] = (0, 255, 0)
    options = TILES + "whole_too = true\nmin_confidence = 0.9\n"
    assert found(looked(prepared(tmp_path, "detector", options), image)) == [
        ("red", 128, 64, 64, 64),
        ("green", 400, 300, 8, 8),
    ]
