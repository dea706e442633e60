"""What the module `ocr` makes of a frame: verdicts, options, what is not installed, other models, and its page."""

from __future__ import annotations

import importlib.util
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import parser
from pydantic import ValidationError

from bench.ocr_scenes import Line, box_of, scene
from tests.modules.pages import example, page, table
from tests.modules.test_ocr import MIDDLE, drawn, look
from tests.support.projects import write_project
from workers.errors import ProjectInvalid
from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.modules.ocr.options import BoxOptions, OcrOptions, TextOptions, model_in_wheel


def test_several_texts_are_judged_together() -> None:
    line = Line("LOT A4711B", **MIDDLE, height_px=26)
    box = box_of(line)
    right = {"name": "t", "box": box, "equals": "LOT A4711B"}
    wrong = {"name": "other", "box": box, "pattern": "[0-9]+"}
    context = look(drawn(line), module={"texts": [right, wrong], "name": "print"})
    assert [context["ocr"]["print"][name]["fits"] for name in ("t", "other")] == [True, False]
    assert context["result"] is False
    colors = [each["classNames"][0]["color"] for each in context["detectedRectangles"]]
    assert colors == ["#009e73", "#ff0000"]
    assert look(drawn(line), module={"texts": [right]})["result"] is True
    unjudged = look(drawn(line), module={"texts": [{"name": "t", "box": box}]})
    assert (unjudged["result"], unjudged["ocr"]["ocr"]["t"]["raw"]) == (True, "LOT A4711B")


# options and project


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ({"pattern": "("}, "is no regular expression"),
        ({"pattern": "(a+)+"}, "which may take for ever"),
        ({"date": "DD.MM"}, "expected a year"),
        ({"date": "hello"}, "expected a year"),
        ({"date": "DD.DD.YYYY"}, "which has a part twice"),
        ({"date": "YYYY YY MM"}, "which has a part twice"),
        ({"days_min": 3}, "has days_min or days_max and no date"),
        ({"date": "DD.MM.YY", "days_min": 3, "days_max": 2}, "is 2, less than days_min = 3"),
        ({"date": "DD.MM.YY", "days_from": "tomorrow"}, "is 'tomorrow', expected 'today', a date"),
        ({"equals": "LOT {data"}, "expected a closing brace"),
        ({"equals": "LOT {data ==}"}, "equals"),
        ({"box": {"x": 1, "y": 2}}, "width"),
        ({"box": {"x": 1, "y": 2, "width": 3, "height": 4, "angle": 181}}, "less than or equal to 180"),
        ({"upside_down": "yes"}, "'no' or 'try'"),
        ({"ink": "black"}, "'auto', 'dark' or 'light'"),
        ({"min_confidence": 1.5}, "less than or equal to 1"),
        ({"lines": 0}, "greater than or equal to 1"),
        ({"confusable": ["A"]}, "at least 2 characters"),
    ],
)
def test_bad_options_are_told_what_was_expected(text: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        OcrOptions.model_validate({"texts": [{"name": "t", **text}]})


def test_names_are_told_apart_and_there_is_a_text() -> None:
    with pytest.raises(ValidationError, match="has two texts of the name 't'"):
        OcrOptions.model_validate({"texts": [{"name": "t"}, {"name": "t"}]})
    with pytest.raises(ValidationError, match="at least 1 item"):
        OcrOptions.model_validate({"texts": []})


FLOW = '\n[[flow]]\nmodule = "ocr"\n{}\n[[flow.texts]]\nname = "t"\n{}\n'


def test_what_is_not_installed_is_a_mistake_that_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = write_project(tmp_path, FLOW.format("", 'ink = "blue"'))
    monkeypatch.setitem(sys.modules, "rapidocr", None)  # as Python has what cannot be imported
    with pytest.raises(ProjectInvalid) as told:
        load_project(project)
    missing = "flow[0].module: ocr needs the model of rapidocr, which is not installed: pip install 'framemill[ocr]'"
    assert missing in told.value.message
    assert "flow[0].texts[0].ink: should be" in told.value.message
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(
        ProjectInvalid, match="ocr needs onnxruntime and the model of rapidocr, which are not installed"
    ):
        load_project(project)
    monkeypatch.undo()
    assert importlib.util.find_spec("rapidocr") is not None


def test_rapidocr_itself_is_never_imported_for_it_would_configure_logs_and_load_what_nobody_needs() -> None:
    line = Line("LOT A4711B", **MIDDLE, height_px=26)
    assert look(drawn(line), box=box_of(line), equals="LOT A4711B")["result"] is True
    assert "rapidocr" not in sys.modules


def test_characters_that_the_model_does_not_know_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ProjectInvalid) as told:
        Flow.prepare(load_project(write_project(tmp_path, FLOW.format("", 'characters = "A\\u16a0"'))))
    assert told.value.message == "flow[0]: texts[0].characters: the model does not know \u16a0"


def _write(path: Path, body: str, outputs: str, characters: str | None = None) -> None:
    model = parser.parse_model(
        f'<ir_version: 9, opset_import: ["" : 17]> g (float[1, 3, 48, W] x) => ({outputs}) {{ {body} }}'
    )
    if characters is not None:
        model.metadata_props.append(onnx.StringStringEntryProto(key="character", value=characters))
    onnx.save(model, path)


def test_other_models_are_taken_where_they_read_lines(tmp_path: Path) -> None:
    project = write_project(tmp_path, FLOW.format('file = "rec.onnx"', 'characters = "AB"'))
    with pytest.raises(ProjectInvalid, match=r"flow\[0\].file: rec.onnx does not exist in the project"):
        load_project(project)
    _write(tmp_path / "rec.onnx", "y = Relu (x)", "float[1, 3, 48, W] y")
    with pytest.raises(ProjectInvalid, match=r"file: rec\.onnx has no 'character' in its metadata"):
        Flow.prepare(load_project(project))
    _write(tmp_path / "rec.onnx", "y = ReduceMean <axes = [2], keepdims = 0> (x)", "float[1, 3, W] y", "A\nB")
    with pytest.raises(ProjectInvalid, match=r"gives \(3, 96\) for a line, expected columns of 4"):
        Flow.prepare(load_project(project))
    body = """
    m = ReduceMean <axes = [1], keepdims = 0> (x)
    t = Transpose <perm = [0, 2, 1]> (m)
    p = ReduceMean <axes = [2], keepdims = 1> (t)
    y = Concat <axis = 2> (p, p, p, p)
    """
    _write(tmp_path / "rec.onnx", body, "float[1, W, 4] y", "A\nB")
    assert Flow.prepare(load_project(project))
    model = model_in_wheel()
    assert model is not None
    (tmp_path / "rec.onnx").write_bytes(model.read_bytes())
    assert Flow.prepare(load_project(project))


# the page


@pytest.mark.parametrize(
    ("days", "lot", "result"), [(400, "LOT A4711B", True), (10, "LOT A4711B", False), (400, "LOT 47", False)]
)
def test_the_example_of_the_page_reads_and_judges(tmp_path: Path, days: int, lot: str, result: bool) -> None:
    day = datetime.now().astimezone().date() + timedelta(days)
    lines = (
        Line(f"EXP {day:%d.%m.%Y}", "aileron", 300, 80, 0, 34),
        Line(lot, "sans", 300, 180, 1.5, 34),
        Line("SN 00482913", "mono", 270, 330, -12, 30, inverted=True),
    )
    image = np.asarray(cv2.cvtColor(scene(lines, (440, 640), seed=4), cv2.COLOR_GRAY2BGR), np.uint8)
    context = example("ocr", tmp_path).inspect(image).context
    read = context["ocr"]["print"]
    assert (context["errors"], context["result"]) == ([], result)
    assert (read["best before"]["date"], read["serial"]["text"]) == (day.isoformat(), "SN 00482913")


def test_the_page_says_what_the_options_are() -> None:
    assert table(OcrOptions) in page("ocr")
    assert table(TextOptions) in page("ocr")
    assert table(BoxOptions) in page("ocr")
