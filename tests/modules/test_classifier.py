"""The module `classifier` with a model that tells how red, green and blue a picture is."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from bench import tiny_models
from tests.modules.pages import example, page, table
from tests.modules.squares import Image, found, looked, prepared, squares
from workers.errors import ProjectInvalid
from workers.modules.classifier.options import ClassifierOptions

NAMES = ("red", "green", "blue")
LABELS = 'labels = ["red", "green", "blue"]\n'


def plain(color: tuple[int, int, int], height: int = 64, width: int = 64) -> Image:
    return np.full((height, width, 3), color, np.uint8)


def test_the_likeliest_label_is_that_of_the_picture(tmp_path: Path) -> None:
    tiny_models.classifier(tmp_path / "model.onnx")
    context = looked(prepared(tmp_path, "classifier", LABELS), plain((0, 51, 102)))
    powers = [math.exp(10 * level / 255) for level in (102, 51, 0)]
    shares = [power / sum(powers) for power in powers]
    told = context["classes"]["classifier"]
    assert (told["label"], told["confidence"]) == ("red", pytest.approx(shares[0], abs=1e-4))
    assert [each["label"] for each in told["top"]] == ["red", "green", "blue"]
    assert [each["confidence"] for each in told["top"]] == pytest.approx(shares, abs=1e-4)
    assert (context["score"], context["result"]) == (told["confidence"], True)
    (box,) = context["detectedRectangles"]
    assert (box["x"], box["y"], box["width"], box["height"]) == (0, 0, 64, 64)
    assert [each["label"] for each in box["classNames"]] == ["red", "green", "blue"]
    assert box["source"]["type"] == "CLASSIFIER"


def test_probabilities_are_not_made_such_again(tmp_path: Path) -> None:
    shares = {}
    for name, softmax in (("logits", False), ("probabilities", True)):
        tiny_models.classifier(tmp_path / name / "model.onnx", softmax=softmax)
        for said in ("", f'scores = "{name}"'):
            context = looked(prepared(tmp_path / name, "classifier", LABELS + said), plain((0, 0, 200)))
            shares[name, bool(said)] = context["classes"]["classifier"]["top"]
    assert shares["logits", False] == shares["logits", True]
    assert shares["probabilities", False] == shares["probabilities", True] == shares["logits", True]
    alone = looked(prepared(tmp_path / "logits", "classifier", LABELS + 'scores = "independent"'), plain((0, 0, 255)))
    assert alone["classes"]["classifier"]["top"][1]["confidence"] == 0.5
    assert alone["classes"]["classifier"]["confidence"] == pytest.approx(1 / (1 + math.exp(-10)), abs=1e-4)


def test_an_export_of_ultralytics_sees_the_middle(tmp_path: Path) -> None:
    image = plain((0, 0, 255), 64, 192)
    image[:, 64:128] = (0, 255, 0)
    tiny_models.classifier(
        tmp_path / "model.onnx", softmax=True, metadata=tiny_models.ultralytics("classify", 64, NAMES)
    )
    told = looked(prepared(tmp_path, "classifier"), image)["classes"]["classifier"]
    assert told["label"] == "green"
    assert told["confidence"] > 0.999
    assert looked(prepared(tmp_path, "classifier", 'fit = "stretch"'), image)["classes"]["classifier"]["label"] == "red"


def test_mean_std_and_white_are_those_of_the_training(tmp_path: Path) -> None:
    tiny_models.classifier(tmp_path / "model.onnx")
    options = LABELS + 'scores = "independent"\nwhite = 2.0\nmean = [0.5, 0.4, 0.3]\nstd = [2.0, 4.0, 8.0]'
    top = looked(prepared(tmp_path, "classifier", options), plain((51, 102, 153)))["classes"]["classifier"]["top"]
    expected = {"red": (1.2 - 0.5) / 2, "green": (0.8 - 0.4) / 4, "blue": (0.4 - 0.3) / 8}
    for each in top:
        assert each["confidence"] == pytest.approx(1 / (1 + math.exp(-10 * expected[each["label"]])), abs=1e-4)


@pytest.mark.parametrize(
    ("options", "result"),
    [
        ('ok_labels = ["red"]', True),
        ('ok_labels = ["green", "blue"]', False),
        ('ok_labels = ["red"]\nmin_confidence = 0.9', True),
        ('ok_labels = ["red"]\nmin_confidence = 0.9999', False),
    ],
)
def test_options_make_the_result(tmp_path: Path, options: str, result: bool) -> None:
    tiny_models.classifier(tmp_path / "model.onnx")
    context = looked(prepared(tmp_path, "classifier", LABELS + options), plain((0, 0, 200)))
    assert context["result"] is result


def test_a_region_is_all_that_it_sees_and_the_rectangle_can_be_left_out(tmp_path: Path) -> None:
    tiny_models.classifier(tmp_path / "model.onnx")
    region = "region = { x = 20, y = 10, width = 8, height = 8 }\n"
    context = looked(prepared(tmp_path, "classifier", LABELS + region), squares(("red", 20, 10)))
    assert context["classes"]["classifier"]["confidence"] > 0.99
    assert found(context) == [("red", 20, 10, 8, 8)]
    context = looked(prepared(tmp_path, "classifier", LABELS + region + "rectangle = false"), squares())
    assert context["detectedRectangles"] == []


def test_any_size_is_one_that_options_say(tmp_path: Path) -> None:
    tiny_models.classifier(tmp_path / "model.onnx", size="H, W")
    with pytest.raises(ProjectInvalid, match=r"size_px: is missing; .*images \(float32 1x3x\?x\?\), of any size"):
        prepared(tmp_path, "classifier", LABELS)
    for image in (plain((0, 200, 0), 1, 1), plain((0, 200, 0), 37, 90)):
        flow = prepared(tmp_path, "classifier", LABELS + "size_px = [40, 24]")
        assert looked(flow, image)["classes"]["classifier"]["label"] == "green"


def test_outputs_and_labels_that_do_not_fit_are_mistakes(tmp_path: Path) -> None:
    tiny_models.classifier(tmp_path / "model.onnx")
    with pytest.raises(ProjectInvalid, match=r"are logits \(float32 1x3\); expected 2 numbers, one for each label"):
        prepared(tmp_path, "classifier", 'labels = ["a", "b"]')
    with pytest.raises(ProjectInvalid, match=r"ok_labels: has 'rd', .* did you mean red"):
        prepared(tmp_path, "classifier", LABELS + 'ok_labels = ["rd"]')
    tiny_models.detector(tmp_path / "model.onnx")
    with pytest.raises(ProjectInvalid, match="expected one of 1xclasses"):
        prepared(tmp_path, "classifier", LABELS)
    with pytest.raises(ValidationError, match="has min_confidence without ok_labels"):
        ClassifierOptions(file="a.onnx", min_confidence=0.5)


def test_the_example_of_the_page_says_what_it_says(tmp_path: Path) -> None:
    tiny_models.classifier(tmp_path / "models" / "caps.onnx")
    tried = example("classifier", tmp_path)
    assert tried.inspect(plain((0, 0, 200))).context["result"] is True
    context, annotated = tried.inspect(plain((0, 200, 0)))
    assert context["result"] is False
    assert context["classes"]["cap"]["label"] == "green"
    assert (annotated != plain((0, 200, 0))).any()


def test_the_page_says_what_the_options_are() -> None:
    assert table(ClassifierOptions) in page("classifier")
