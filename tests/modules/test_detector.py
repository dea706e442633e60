"""The module `detector` with models whose answers are known, in each form of export."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper, parser
from pydantic import ValidationError

from bench import tiny_models
from tests.modules.pages import example, page, table
from tests.modules.squares import found, looked, prepared, squares
from tests.support.projects import inspect, write_project
from workers.errors import ProjectInvalid
from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.modules.detector.options import DetectorOptions
from workers.modules.models.detections import box_reader
from workers.modules.models.labels import Labels
from workers.modules.models.metadata import read_metadata
from workers.modules.models.model import Facts
from workers.modules.models.network import Output, Signature

ULTRALYTICS = tiny_models.ultralytics("detect", 64)
LABELS_OF_NONE = Labels(DetectorOptions(file="m"), read_metadata({}))
LABELS = 'labels = ["red", "green"]'


def write_constant(path: Path, output: NDArray[np.float32], metadata: Mapping[str, str]) -> None:
    """Write a model that says the same of every picture of 64x64 px."""
    shape = ", ".join(map(str, output.shape))
    body = "zero = Sub (least, least)\noutput0 = Add (always, zero)"
    text = f'<ir_version: 9, opset_import: ["" : 17]> g (float[1, 3, 64, 64] images) => (float[{shape}] output0)'
    model = parser.parse_model(f"{text} {{ least = ReduceMin <keepdims = 0> (images)\n{body} }}")
    model.graph.initializer.append(numpy_helper.from_array(output, "always"))
    helper.set_model_props(model, dict(metadata))
    onnx.save(model, path)


@pytest.mark.parametrize("form", ["ultralytics", "ultralytics_nms", "yolov5", "boxes"])
def test_each_form_of_export_finds_the_same(tmp_path: Path, form: str) -> None:
    tiny_models.detector(tmp_path / "model.onnx", form=form)
    flow = prepared(tmp_path, "detector", LABELS + "\noverlap = 0.5")
    context = looked(flow, squares(("red", 20, 10), ("green", 33, 40), ("half red", 50, 3)))
    assert found(context) == [("red", 20, 10, 8, 8), ("green", 33, 40, 8, 8), ("red", 50, 3, 8, 8)]
    assert [each["confidence"] for each in context["detectedRectangles"]] == pytest.approx([1, 1, 0.502], abs=1e-3)
    assert context["detections"] == {"detector": {"count": 3, "labels": {"red": 2, "green": 1}}}
    assert (context["score"], context["threshold"], context["result"]) == (1.0, 0.25, True)
    assert context["detectedRectangles"][0]["source"] == {"modelId": 0, "moduleId": 1, "type": "DETECTOR"}
    assert found(looked(flow, squares())) == []


def test_what_an_export_has_written_beside_its_model_is_used(tmp_path: Path) -> None:
    tiny_models.detector(tmp_path / "model.onnx", metadata=ULTRALYTICS)
    flow = prepared(tmp_path, "detector")
    # letterboxed: a frame of 128x64 is shown at half its size, with bars above and below
    wide = squares(("red", 40, 20), size=(64, 128), side=16)
    assert found(looked(flow, wide)) == [("red", 40, 20, 16, 16)]
    assert found(looked(flow, np.ascontiguousarray(wide.transpose(1, 0, 2)))) == [("red", 20, 40, 16, 16)]
    # stretched it would be no square any more, and less sure
    stretched = looked(prepared(tmp_path, "detector", 'fit = "stretch"'), wide)
    assert stretched["score"] < 0.9
    # the middle alone is seen, and what is found there lies where it is
    middle = looked(
        prepared(tmp_path, "detector", 'fit = "crop"'), squares(("red", 50, 20), ("red", 2, 9), size=(64, 128))
    )
    assert found(middle) == [("red", 50, 20, 8, 8)]


def test_a_model_with_its_own_suppression_is_known_by_its_metadata(tmp_path: Path) -> None:
    told = tiny_models.ultralytics("detect", 64, names=("red", "green"), args="{'nms': True}")
    tiny_models.detector(tmp_path / "model.onnx", form="ultralytics_nms", metadata=told)
    image = squares(("green", 5, 9))
    assert found(looked(prepared(tmp_path, "detector", "overlap = 0.5"), image)) == [("green", 5, 9, 8, 8)]
    # what such a model has left counts, unless a project says otherwise
    assert len(found(looked(prepared(tmp_path, "detector"), image))) > 4


def test_boxes_that_reach_beyond_the_picture_are_told_apart_by_all_of_them(tmp_path: Path) -> None:
    # two boxes by their middles, sizes and confidences: within the picture three quarters are the same
    columns = np.array([[0, 40], [32, 32], [128, 48], [64, 64], [0.9, 0.8], [0, 0]], np.float32)
    columns[0] = 64 - columns[2] / 2
    write_constant(tmp_path / "model.onnx", columns[None], ULTRALYTICS)
    boxes = found(looked(prepared(tmp_path, "detector"), squares()))
    assert boxes == [("red", 0, 0, 64, 64), ("red", 16, 0, 48, 64)]


@pytest.mark.parametrize("count", [0, 1, 4, 7])
def test_three_outputs_are_known_whatever_their_names_and_number(count: int) -> None:
    corners = np.arange(4 * count, dtype=np.float32).reshape(count, 4)
    scores, labels = np.full(count, 0.5, np.float32), np.arange(count)
    for batch in (False, True):
        given: list[NDArray[Any]] = [labels, scores, corners]
        outputs = [Output(name, each[None] if batch else each) for name, each in zip("abc", given, strict=True)]
        facts = Facts("file: m", Signature([], [], {}), read_metadata({}), LABELS_OF_NONE, outputs, (64, 64))
        boxes = box_reader(facts, DetectorOptions(file="m"), None)(outputs)
        assert boxes.corners.tolist() == corners.tolist()
        assert boxes.label.tolist() == labels.tolist()


def test_colours_are_shown_in_the_order_that_the_options_say(tmp_path: Path) -> None:
    tiny_models.detector(tmp_path / "model.onnx", metadata=ULTRALYTICS)
    image = squares(("red", 20, 10))
    assert found(looked(prepared(tmp_path, "detector", 'channels = "bgr"'), image)) == []
    assert found(looked(prepared(tmp_path, "detector", 'channels = "bgr"'), image[:, :, ::-1].copy())) != []


def test_grey_frames_and_tiny_ones_are_looked_at_too(tmp_path: Path) -> None:
    tiny_models.detector(tmp_path / "model.onnx", metadata=ULTRALYTICS)
    flow = prepared(tmp_path, "detector")
    for shape in ((64, 64), (1, 1), (1, 1, 3), (1, 500, 3), (500, 1), (7, 9, 3)):
        assert found(looked(flow, np.full(shape, 200, np.uint8))) == []


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        ("", ["red", "green", "red"]),
        ("min_confidence = 0.6", ["red", "green"]),
        ('only_labels = ["green"]', ["green"]),
        ("most = 1", ["red"]),
        ("region = { polygon = [[0, 0], [64, 0], [64, 20], [0, 20]] }", ["red", "red"]),
    ],
)
def test_options_say_what_counts(tmp_path: Path, options: str, labels: list[str]) -> None:
    tiny_models.detector(tmp_path / "model.onnx", metadata=ULTRALYTICS)
    image = squares(("red", 20, 10), ("green", 33, 40), ("half red", 50, 3))
    context = looked(prepared(tmp_path, "detector", options), image)
    assert [label for label, *_ in found(context)] == labels


def test_a_region_is_all_that_the_model_sees(tmp_path: Path) -> None:
    tiny_models.detector(tmp_path / "model.onnx", metadata=ULTRALYTICS)
    flow = prepared(tmp_path, "detector", "region = { x = 32, y = 30, width = 64, height = 64 }")
    image = squares(("green", 50, 60), ("red", 100, 100), ("red", 3, 3), size=(128, 128))
    assert found(looked(flow, image)) == [("green", 50, 60, 8, 8)]


def test_objects_of_a_label_that_lie_over_each_other_are_one(tmp_path: Path) -> None:
    tiny_models.detector(tmp_path / "model.onnx", metadata=ULTRALYTICS)
    apart = squares(("red", 20, 10), ("red", 29, 10))
    assert len(found(looked(prepared(tmp_path, "detector"), apart))) == 2
    # without suppression, the places beside a square are found as well
    assert len(found(looked(prepared(tmp_path, "detector", "overlap = 1.0"), squares(("red", 20, 10))))) > 4


@pytest.mark.parametrize(
    ("options", "result"),
    [
        ("count_min = 2", True),
        ("count_min = 3", False),
        ("count_max = 1", False),
        ("count_min = 2\ncount_max = 2", True),
        ('ok_labels = ["red", "green"]', True),
        ('ok_labels = ["red"]', False),
        ("ok_labels = []", False),
        ('ok_labels = ["green"]\nonly_labels = ["green"]\ncount_min = 1', True),
    ],
)
def test_options_make_the_result(tmp_path: Path, options: str, result: bool) -> None:
    tiny_models.detector(tmp_path / "model.onnx", metadata=ULTRALYTICS)
    context = looked(prepared(tmp_path, "detector", options), squares(("red", 20, 10), ("green", 33, 40)))
    assert context["result"] is result


def test_without_such_options_rules_of_the_verdict_judge(tmp_path: Path) -> None:
    tiny_models.detector(tmp_path / "model.onnx", metadata=ULTRALYTICS)
    rules = '\n[verdict]\n[[verdict.rules]]\nrule = "expression"\nexpression = "detections.detector.labels.red == 1"'
    flow = prepared(tmp_path, "detector", rules)
    assert looked(flow, squares(("red", 20, 10)))["result"] is True
    assert looked(flow, squares(("red", 20, 10), ("red", 40, 10)))["result"] is False


def test_what_is_found_in_a_crop_lies_in_the_frame(tmp_path: Path) -> None:
    tiny_models.detector(tmp_path / "model.onnx", metadata=ULTRALYTICS)
    crop = '[[flow]]\nmodule = "preprocess"\nsteps = [{ do = "crop", x = 30, y = 20, width = 64, height = 64 }]\n'
    detect = '[[flow]]\nmodule = "detector"\nfile = "model.onnx"\n'
    flow = Flow.prepare(load_project(write_project(tmp_path, crop + detect)))
    assert found(looked(flow, squares(("red", 50, 40), size=(100, 120)))) == [("red", 50, 40, 8, 8)]


# what cannot be used


def refused(folder: Path, options: str = "", module: str = "detector") -> str:
    with pytest.raises(ProjectInvalid) as told:
        prepared(folder, module, options)
    return told.value.message


def test_outputs_that_are_no_boxes_are_a_mistake_that_says_what_there_is(tmp_path: Path) -> None:
    tiny_models.planes(tmp_path / "model.onnx")
    told = refused(tmp_path)
    assert told.startswith("flow[0]: file: model.onnx: its outputs cannot be read, they are masks (float32 1x3x16x16);")
    assert "expected 1x(4+classes)xN or 1xNx6 (Ultralytics)" in told
    assert told.endswith("it takes images (float32 1x3x64x64) and gives masks (float32 1x3x16x16)")
    tiny_models.detector(tmp_path / "model.onnx", metadata=tiny_models.ultralytics("segment", 64))
    assert "expected a model that detects, not one for the task 'segment'" in refused(tmp_path)


def test_names_that_do_not_fit_the_model_are_mistakes(tmp_path: Path) -> None:
    tiny_models.detector(tmp_path / "model.onnx", metadata=ULTRALYTICS)
    told = refused(tmp_path, 'ok_labels = ["rde"]')
    assert "ok_labels: has 'rde', which is no label of the model; it has red, green; did you mean red?" in told
    assert "expected 2 labels with the form ultralytics, not 3" in refused(tmp_path, 'labels = ["a", "b", "c"]')
    assert "its outputs cannot be read" in refused(tmp_path, 'format = "ultralytics_nms"')


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"file": None}, "has neither file nor server; expected file"),
        ({"server": "http://a", "model": "m"}, "has file and server; expected"),
        ({"file": None, "server": "http://a"}, "has server or model alone"),
        ({"file": None, "server": "ftp://a", "model": "m"}, "String should match pattern"),
        ({"tile_px": 100, "tile_overlap_px": 60}, "expected at most half of tile_px = 100"),
        ({"whole_too": True}, "is true without tile_px"),
        ({"count_max": 300}, "which most = 300 hides"),
        ({"count_min": 3, "count_max": 2}, "less than count_min = 3"),
        ({"std": [0.0]}, "expected numbers above 0"),
        ({"mean": [0.1, 0.2]}, "expected 1, or 3"),
        ({"size_px": [640]}, "at least 2 items"),
        ({"format": "yolo"}, "'ultralytics', 'ultralytics_nms', 'yolov5' or 'boxes'"),
        ({"min_confidence": float("nan")}, "finite number"),
    ],
)
def test_bad_options_are_told_what_was_expected(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DetectorOptions.model_validate({"file": "model.onnx", **options})


def test_what_is_not_a_number_is_never_ok(tmp_path: Path) -> None:
    tiny_models.detector(tmp_path / "model.onnx", metadata=ULTRALYTICS)
    flow = prepared(tmp_path, "detector", "mean = [3e38, -3e38, 0.0]\ncount_max = 0")
    context = inspect(flow, squares(("red", 20, 10))).context
    assert (context["result"], context["error"]) == (False, True)
    assert "the model's output output0 is not a number in places" in context["errors"][0]["message"]


# the page


def test_the_example_of_the_page_finds_what_it_says(tmp_path: Path) -> None:
    tiny_models.detector(tmp_path / "models" / "buttons.onnx", metadata=ULTRALYTICS)
    tried = example("detector", tmp_path)
    image = squares(("red", 20, 10), ("red", 40, 10), ("green", 20, 40), ("green", 40, 40))
    context, annotated = tried.inspect(image)
    assert context["result"] is True
    assert context["detections"]["buttons"] == {"count": 4, "labels": {"red": 2, "green": 2}}
    assert (annotated != image).any()
    assert tried.inspect(squares(("red", 20, 10))).context["result"] is False


def test_the_page_says_what_the_options_are() -> None:
    assert table(DetectorOptions) in page("detector")
