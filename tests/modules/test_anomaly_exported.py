"""Models as anomalib exports them: each choice of fields, sizes that are free or not, and what is no such model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import parser

from bench.tiny_anomaly import FIELDS, exported
from tests.modules.squares import looked, prepared
from tests.support.projects import inspect
from workers.errors import ProjectInvalid


def bright(level: int = 230, *, colour: bool = False) -> NDArray[np.uint8]:
    """Draw a dark picture with a bright square, (h, w) grey or (h, w, 3) BGR."""
    image = np.full((120, 180, 3) if colour else (120, 180), 40, np.uint8)
    image[30:60, 90:135] = level
    return image


@pytest.mark.parametrize("side", [None, 96])
@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("sensitivities", [False, True])
def test_it_is_run_as_it_was_exported(tmp_path: Path, side: int | None, colour: bool, sensitivities: bool) -> None:
    exported(tmp_path / "model.onnx", side=side, sensitivities=sensitivities)
    module = prepared(tmp_path, "anomaly")
    inspected = inspect(module, bright(colour=colour))
    context = inspected.context
    assert context["errors"] == []
    assert not context["result"]
    assert (context["score"], context["threshold"]) == (pytest.approx(230 / 255, abs=0.01), 0.5)
    (box,) = context["detectedRectangles"]
    place = [box[key] for key in ("x", "y", "width", "height")]
    assert place == pytest.approx([90, 30, 45, 30], abs=5)
    assert inspected.heat is not None
    assert inspected.heat[45, 110] > 0.6
    assert inspected.heat[100, 20] < 0.2
    good = looked(module, bright(90, colour=colour))
    assert good["result"]
    assert good["detectedRectangles"] == []


@pytest.mark.parametrize(
    ("fields", "options", "result", "count"),
    [
        (("pred_score",), "", False, 0),
        (("pred_score", "pred_label"), "", False, 0),
        (("anomaly_map",), "", False, 1),
        (("pred_score", "pred_mask"), "", False, 1),
        (FIELDS, "threshold = 0.95", True, 0),
        (FIELDS, "sensitivity = 0.5", True, 0),
        (FIELDS, "region = { x = 0, y = 0, width = 80, height = 120 }", True, 0),
        (FIELDS, "region = { x = 80, y = 10, width = 90, height = 80 }", False, 1),
        (FIELDS, "region = { polygon = [[80, 0], [170, 0], [80, 110]] }", False, 1),
    ],
)
def test_fields_that_are_there_are_used(
    tmp_path: Path, fields: tuple[str, ...], options: str, result: bool, count: int
) -> None:
    exported(tmp_path / "model.onnx", fields)
    context = looked(prepared(tmp_path, "anomaly", options), bright())
    assert context["result"] is result
    assert len(context["detectedRectangles"]) == count
    for box in context["detectedRectangles"]:
        assert box["x"] >= 80
        assert box["y"] >= 20


def test_one_that_insists_on_two_pictures_gets_the_same_twice(tmp_path: Path) -> None:
    for name, at_once in (("one", None), ("two", 2)):
        (tmp_path / name).mkdir()
        exported(tmp_path / name / "model.onnx", at_once=at_once)
    one, two = (looked(prepared(tmp_path / name, "anomaly"), bright()) for name in ("one", "two"))
    assert two["errors"] == []
    assert (two["score"], two["detectedRectangles"]) == (one["score"], one["detectedRectangles"])


def write(path: Path, signature: str, body: str) -> None:
    onnx.save(parser.parse_model(f'<ir_version: 9, opset_import: ["" : 17]> g {signature} {{ {body} }}'), path)


@pytest.mark.parametrize(
    ("signature", "body", "message"),
    [
        ("(float[1, 3, 8, 8] input) => (float[1, 3, 8, 8] y)", "y = Relu (input)", "gives neither pred_score nor"),
        ("(float[1, 4] input) => (float[1, 4] pred_score)", "pred_score = Relu (input)", "takes no picture as models"),
        ("(float[9, 3, 8, 8] input) => (float[9] pred_score)", "pred_score = Relu (input)", "takes no picture as"),
        (
            "(float[1, 3, 8, 8] input, float more) => (float[1, 3, 8, 8] anomaly_map)",
            "anomaly_map = Add (input, more)",
            "takes no picture as models",
        ),
        (
            "(float[1, 3, 8, 8] input) => (float[1, 3, 8, 8] anomaly_map)",
            "anomaly_map = Relu (input)",
            "its output anomaly_map is 1x3x8x8, expected that of one picture",
        ),
        (
            "(float[N, 3, H, W] input) => (float[N, 3, H, W] pred_score)",
            "pred_score = Relu (input)",
            "its output pred_score is 1x3x256x256, expected that of one picture",
        ),
    ],
)
def test_what_is_no_such_model_is_a_mistake(tmp_path: Path, signature: str, body: str, message: str) -> None:
    write(tmp_path / "model.onnx", signature, body)
    with pytest.raises(ProjectInvalid) as told:
        prepared(tmp_path, "anomaly")
    assert told.value.message.startswith("flow[0]: file: model.onnx")
    assert message in told.value.message


def test_what_is_not_a_number_is_an_error_of_the_frame(tmp_path: Path) -> None:
    write(
        tmp_path / "model.onnx",
        "(float[1, 3, 8, 8] input) => (float[1] pred_score)",
        """
        most = ReduceMax <axes = [1, 2, 3], keepdims = 0> (input)
        half = Constant <value_float = 0.9> ()
        pred_score0 = Sub (half, most)
        pred_score = Log (pred_score0)
        """,
    )
    module = prepared(tmp_path, "anomaly")
    context = inspect(module, np.full((8, 8), 255, np.uint8)).context
    assert not context["result"]
    assert "is not a number in places" in context["errors"][0]["message"]
