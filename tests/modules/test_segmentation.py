"""The module `segmentation` with models whose answers are known: planes of all kinds, and objects with masks."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from bench import tiny_models
from tests.modules.pages import example, page, table
from tests.modules.squares import found, looked, prepared, squares
from tests.support.projects import inspect
from workers.errors import ProjectInvalid
from workers.modules.segmentation.options import SegmentationOptions

LABELS = 'labels = ["nothing", "red", "green"]\n'
TWO = squares(("red", 16, 8), ("green", 40, 32))


@pytest.mark.parametrize("form", ["logits", "softmax", "classes"])
def test_planes_of_all_kinds_say_the_same(tmp_path: Path, form: str) -> None:
    tiny_models.planes(tmp_path / "model.onnx", form=form)
    inspected = inspect(prepared(tmp_path, "segmentation", LABELS), TWO)
    context = inspected.context
    assert context["errors"] == []
    assert found(context) == [("red", 16, 8, 8, 8), ("green", 40, 32, 8, 8)]
    areas = [each["area"] for each in context["detectedRectangles"]]
    assert areas == pytest.approx([64, 64], abs=8)  # less at the corners, where planes of 4 px meet
    assert [(each["id"], each["label"]) for each in context["surfaceClasses"]] == [(1, "red"), (2, "green")]
    assert context["surfaceClasses"][0]["area"] == areas[0]
    assert context["surfaceClasses"][0]["share_percent"] == pytest.approx(100 * areas[0] / 64**2, abs=1e-3)
    told = context["surfaces"]["segmentation"]
    assert (told["count"], told["labels"]) == (2, {"red": 1, "green": 1})
    assert told["classes"]["green"]["area"] == areas[1]
    assert context["detectedRectangles"][0]["source"]["type"] == "SUPERVISED"
    assert inspected.heat is not None
    assert inspected.heat[12, 20] > 0.9
    assert inspected.heat[36, 44] > 0.9
    assert inspected.heat[40, 10] == 0


def test_a_single_plane_has_one_class(tmp_path: Path) -> None:
    tiny_models.planes(tmp_path / "model.onnx", form="one")
    context = looked(prepared(tmp_path, "segmentation", 'labels = ["red"]'), TWO)
    assert found(context) == [("red", 16, 8, 8, 8)]
    assert found(looked(prepared(tmp_path, "segmentation"), TWO)) == [("0", 16, 8, 8, 8)]
    assert found(looked(prepared(tmp_path, "segmentation"), squares())) == []


def test_objects_have_masks(tmp_path: Path) -> None:
    tiny_models.segmenter(tmp_path / "model.onnx", metadata=tiny_models.ultralytics("segment", 64))
    inspected = inspect(prepared(tmp_path, "segmentation"), TWO)
    assert found(inspected.context) == [("red", 16, 8, 8, 8), ("green", 40, 32, 8, 8)]
    assert [each["area"] for each in inspected.context["detectedRectangles"]] == pytest.approx([64, 64], abs=8)
    assert [each["label"] for each in inspected.context["surfaceClasses"]] == ["red", "green"]
    assert inspected.heat is not None
    assert inspected.heat[12, 20] == pytest.approx(1, abs=0.01)
    assert inspected.heat.sum() == pytest.approx(128, abs=16)


def test_masks_of_the_models_own_are_read_too(tmp_path: Path) -> None:
    tiny_models.detector(tmp_path / "model.onnx", form="boxes", masks=True)
    context = looked(prepared(tmp_path, "segmentation", 'labels = ["red", "green"]'), TWO)
    assert found(context) == [("red", 16, 8, 8, 8), ("green", 40, 32, 8, 8)]
    assert [each["area"] for each in context["detectedRectangles"]] == pytest.approx([64, 64], abs=8)


def test_planes_are_brought_to_frames_of_any_size(tmp_path: Path) -> None:
    tiny_models.planes(tmp_path / "model.onnx")
    image = np.zeros((200, 330, 3), np.uint8)
    cv2.circle(image, (220, 90), 50, (0, 0, 255), -1)
    for fit in ("stretch", "letterbox", "crop"):
        context = looked(prepared(tmp_path, "segmentation", LABELS + f'fit = "{fit}"'), image)
        (box,) = context["detectedRectangles"]
        assert (box["x"], box["y"]) == pytest.approx((170, 40), abs=7)
        assert (box["width"], box["height"]) == pytest.approx((101, 101), abs=12)
        assert box["area"] == pytest.approx(np.pi * 50**2, rel=0.1)


def test_what_the_middle_does_not_show_is_nothing(tmp_path: Path) -> None:
    tiny_models.planes(tmp_path / "model.onnx")
    image = np.zeros((64, 192, 3), np.uint8)
    image[:, :] = (0, 0, 255)
    (box,) = looked(prepared(tmp_path, "segmentation", LABELS + 'fit = "crop"'), image)["detectedRectangles"]
    assert (box["x"], box["y"], box["width"], box["height"], box["area"]) == (64, 0, 64, 64, 64 * 64)


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        ("", ["red", "green"]),
        ('only_labels = ["green"]', ["green"]),
        ("area_min_px = 100", []),
        ("min_confidence = 1.0", []),
        ("background = 1", ["nothing", "green"]),
        ("background = -1", ["nothing", "red", "green"]),
        ("most = 1", ["red"]),
        ("region = { x = 32, y = 0, width = 32, height = 64 }", ["green"]),
    ],
)
def test_options_say_what_counts(tmp_path: Path, options: str, labels: list[str]) -> None:
    tiny_models.planes(tmp_path / "model.onnx")
    context = looked(prepared(tmp_path, "segmentation", LABELS + options), TWO)
    assert [label for label, *_ in found(context)] == labels
    if not labels:
        assert context["surfaceClasses"] == []
        assert context["score"] == 0.0


@pytest.mark.parametrize(
    ("options", "result"),
    [
        ("count_max = 0", False),
        ("count_min = 2\ncount_max = 2", True),
        ('ok_labels = ["red", "green"]', True),
        ('ok_labels = ["red"]', False),
    ],
)
def test_options_make_the_result(tmp_path: Path, options: str, result: bool) -> None:
    tiny_models.planes(tmp_path / "model.onnx")
    assert looked(prepared(tmp_path, "segmentation", LABELS + options), TWO)["result"] is result


def test_what_is_ok_is_not_hot(tmp_path: Path) -> None:
    tiny_models.planes(tmp_path / "model.onnx")
    heat = inspect(prepared(tmp_path, "segmentation", LABELS + 'ok_labels = ["red"]'), TWO).heat
    assert heat is not None
    assert (heat[12, 20], heat[36, 44] > 0.9) == (0, True)
    assert inspect(prepared(tmp_path, "segmentation", LABELS + "heat = false"), TWO).heat is None


def test_pieces_of_tiles_are_one(tmp_path: Path) -> None:
    image = np.zeros((128, 320, 3), np.uint8)
    image[40:60, 20:300] = (0, 0, 255)
    tiles = "tile_px = 64\ntile_overlap_px = 16\n"
    tiny_models.planes(tmp_path / "model.onnx")
    assert found(looked(prepared(tmp_path, "segmentation", LABELS + tiles), image)) == [("red", 20, 40, 280, 20)]
    tiny_models.segmenter(tmp_path / "model.onnx", metadata=tiny_models.ultralytics("segment", 64))
    two = squares(("red", 60, 40), ("green", 200, 100), size=(128, 320))
    boxes = found(looked(prepared(tmp_path, "segmentation", tiles), two))
    assert [label for label, *_ in boxes] == ["red", "green"]
    assert boxes[0][1:] == pytest.approx((60, 40, 8, 8), abs=1)
    assert boxes[1][1:] == pytest.approx((200, 100, 8, 8), abs=1)


def test_grey_frames_and_tiny_ones_are_looked_at_too(tmp_path: Path) -> None:
    tiny_models.planes(tmp_path / "model.onnx")
    flow = prepared(tmp_path, "segmentation", LABELS)
    for shape in ((64, 64), (1, 1), (1, 1, 3), (1, 500, 3), (500, 1), (7, 9, 3)):
        assert found(looked(flow, np.full(shape, 200, np.uint8))) == []


def test_outputs_that_are_no_masks_are_a_mistake(tmp_path: Path) -> None:
    tiny_models.classifier(tmp_path / "model.onnx")
    with pytest.raises(ProjectInvalid, match=r"they are logits \(float32 1x3\); expected 1xclassesxHxW with a number"):
        prepared(tmp_path, "segmentation")
    tiny_models.planes(tmp_path / "model.onnx")
    with pytest.raises(ProjectInvalid, match="expected 2 planes, one for each label"):
        prepared(tmp_path, "segmentation", 'labels = ["a", "b"]')
    tiny_models.segmenter(tmp_path / "model.onnx", metadata=tiny_models.ultralytics("detect", 64))
    with pytest.raises(ProjectInvalid, match="expected a model that segments, not one for the task 'detect'"):
        prepared(tmp_path, "segmentation")


def test_the_example_of_the_page_finds_what_it_says(tmp_path: Path) -> None:
    tiny_models.planes(tmp_path / "models" / "smears.onnx")
    tried = example("segmentation", tmp_path)
    image = np.zeros((64, 64, 3), np.uint8)
    assert tried.inspect(image).context["result"] is True
    image[20:40, 20:40] = (0, 0, 255)
    context, annotated = tried.inspect(image)
    assert context["result"] is False
    assert context["surfaces"]["smears"]["labels"] == {"red": 1}
    assert (annotated != image).any()


def test_the_page_says_what_the_options_are() -> None:
    assert table(SegmentationOptions) in page("segmentation")
