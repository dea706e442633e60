"""What the module `ocr` makes of what it has read: texts, patterns, dates, look-alikes, options, and its page."""

from __future__ import annotations

import importlib.util
import sys
from datetime import date, datetime, timedelta
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
from workers.modules.ocr.confusable import ALIKE, Groups
from workers.modules.ocr.dates import DateFormat, DateMistake, checked_format, last_day
from workers.modules.ocr.filled import NothingThere, Template
from workers.modules.ocr.judging import Judge, Judged
from workers.modules.ocr.options import BoxOptions, OcrOptions, TextOptions, model_in_wheel

GROUPS = Groups(ALIKE)


def judged(
    raw: str, data: str = "", confidence: float = 0.9, more: dict[str, Any] | None = None, **text: Any
) -> Judged:
    options = TextOptions.model_validate({"name": "t", **text})
    return Judge(options).judge(raw, confidence, {"data": data, **(more or {})}, lambda: None)


@pytest.mark.parametrize(
    ("options", "data", "text", "why"),
    [
        ({}, "", "LOT A47118", ""),
        ({"equals": "LOT A4711B"}, "", "LOT A4711B", ""),
        ({"equals": "LOTA4711B"}, "", "LOT A4711B", ""),
        ({"equals": "LOT {data}"}, "A4711B", "LOT A4711B", ""),
        ({"equals": "LOT {data}"}, "A4712B", "LOT A47118", "expected 'LOT A4712B'"),
        ({"equals": "{data}"}, "", "LOT A47118", "expected ''"),
        ({"equals": "LOT {code.lot}"}, "", "LOT A4711B", ""),
        ({"equals": "LOT {code.expiry}"}, "", "LOT A47118", "there is no text at code.expiry"),
        ({"equals": "LOT A4711B", "confusable": []}, "", "LOT A47118", "expected 'LOT A4711B'"),
        ({"equals": "LOT A47I18", "confusable": ["1I"]}, "", "LOT A47I18", ""),
        ({"pattern": r"LOT [A-Z]\d{4}[A-Z]"}, "", "LOT A4711B", ""),
        ({"pattern": r"LOT[A-Z]\d{4}[A-Z]"}, "", "LOT A4711B", ""),
        ({"pattern": r"LOT [A-Z]\d{5}"}, "", "LOT A47118", ""),
        ({"pattern": r"LOT [A-Z]\d{5}[A-Z]"}, "", "LOT A47118", "does not fit the pattern"),
        ({"pattern": r"LOT [A-Z]\d{4}[A-Z]", "confusable": []}, "", "LOT A47118", "does not fit the pattern"),
        ({"min_confidence": 0.95}, "", "LOT A47118", "its least sure character is 0.90 sure, expected 0.95"),
    ],
)
def test_a_text_is_put_right_where_it_is_known_or_says_why_not(
    options: dict[str, Any], data: str, text: str, why: str
) -> None:
    found = judged("LOT A47118", data, more={"code": {"lot": "A4711B"}}, **options)
    assert (found.text, found.why) == (text, why)


def test_no_group_holds_two_digits_so_that_no_wrong_number_passes() -> None:
    for group in ALIKE:
        assert sum(letter.isdigit() for letter in group) <= 1
    for digit in "0123456789":
        for other in "0123456789":
            assert GROUPS.same(digit, other) == (digit == other)


def test_many_look_alikes_are_put_right_within_bounds() -> None:
    tried = []
    assert GROUPS.put_right("0O" * 60, lambda text: bool(tried.append(text))) is None  # type: ignore[func-returns-value]
    assert len(tried) <= 3001


@pytest.mark.parametrize(
    ("format_", "text", "iso", "right"),
    [
        ("YYYY-MM-DD", "EXP 2027-03-14", "2027-03-14", "EXP 2027-03-14"),
        ("YYYY-MM-DD", "EXP 2O27-O3-I4 17:45", "2027-03-14", "EXP 2027-03-14 17:45"),
        ("DD.MM.YY", "31.12.28 17:45", "2028-12-31", "31.12.28 17:45"),
        ("DD.MM.YY", "31,12,28", "2028-12-31", "31,12,28"),
        ("DD.MM.YY", "31. 12. 28", "2028-12-31", "31. 12. 28"),
        ("DD.MM.YYYY", "0l.02.2029", "2029-02-01", "01.02.2029"),
        ("EXP DD/MM/YY", "MFG 01/02/26 EXP 01/02/28", "2028-02-01", "MFG 01/02/26 EXP 01/02/28"),
        ("MM/YYYY", "11/2028", "2028-11", "11/2028"),
        ("DD MMM YYYY", "07 0KT 2027", "2027-10-07", "07 OKT 2027"),
        ("DD MMM YYYY", "07 dez 2027", "2027-12-07", "07 dez 2027"),
        ("YYDDD", "27366 28060", "2028-02-29", "27366 28060"),
        ("YYWW", "DC 2653", "2026-W53", "DC 2653"),
        ("DDMMYY", "140327", "2027-03-14", "140327"),
    ],
)
def test_dates_are_found_in_texts(format_: str, text: str, iso: str, right: str) -> None:
    found = DateFormat(checked_format(format_), GROUPS).find(text)
    assert (found.iso, found.text) == (iso, right)


@pytest.mark.parametrize(
    ("format_", "text", "why"),
    [
        ("YYYY-MM-DD", "EXP 2027-13-14", "'2027-13-14' is no date as YYYY-MM-DD"),
        ("DD.MM.YY", "30.02.28", "'30.02.28' is no date as DD.MM.YY"),
        ("DD.MM.YY", "LOT A4711B", "there is no date as DD.MM.YY"),
        ("DDMMYY", "1403271", "there is no date as DDMMYY"),
        ("YYDDD", "27366", "'27366' is no date as YYDDD"),
        ("MM/YYYY", "00/2028", "'00/2028' is no date as MM/YYYY"),
        ("YYWW", "2760", "'2760' is no date as YYWW"),
    ],
)
def test_what_is_no_date_is_told(format_: str, text: str, why: str) -> None:
    with pytest.raises(DateMistake, match=why):
        DateFormat(format_, GROUPS).find(text)


@pytest.mark.parametrize(
    ("options", "days", "why"),
    [
        ({}, None, ""),
        ({"days_from": "2027-03-04"}, 10, ""),
        ({"days_from": "2027-03-04", "days_min": 10, "days_max": 10}, 10, ""),
        (
            {"days_from": "2027-03-04", "days_min": 11},
            10,
            "2027-03-14 is 10 days from 2027-03-04, expected at least 11",
        ),
        ({"days_from": "2027-03-04", "days_max": 9}, 10, "2027-03-14 is 10 days from 2027-03-04, expected at most 9"),
        ({"days_from": "{data}", "days_min": 0}, 0, ""),
        (
            {"days_from": "{code.expiry}", "days_min": 0},
            -17,
            "2027-03-14 is -17 days from 2027-03-31, expected at least 0",
        ),
        ({"days_from": "{code.none}", "days_min": 0}, None, "there is no text at code.none"),
        ({"days_from": "{code.lot}", "days_min": 0}, None, "days are counted from 'A1', expected a date as YYYY-MM-DD"),
        ({"days_from": "{code.lot}"}, None, ""),
    ],
)
def test_days_are_counted_from_a_day(options: dict[str, Any], days: int | None, why: str) -> None:
    more = {"code": {"expiry": "2027-03", "lot": "A1"}}
    found = judged("2027-03-14", "2027-03-14", date="YYYY-MM-DD", more=more, **options)
    assert (found.date, found.why) == ("2027-03-14", why)
    if options:
        assert found.days == days


def test_days_are_counted_from_today_at_the_line() -> None:
    before = datetime.now().astimezone().date()
    found = judged(f"{before + timedelta(30):%d.%m.%Y}", date="DD.MM.YYYY", days_min=20)
    after = datetime.now().astimezone().date()
    assert found.days in {30, 30 - (after - before).days}
    assert found.why == ""
    assert judged(f"{before - timedelta(1):%d.%m.%Y}", date="DD.MM.YYYY", days_min=0).why
    assert last_day("2028-02") == date(2028, 2, 29)


def test_expressions_in_texts_are_filled_in() -> None:
    context = {"data": "7", "codes": {"label": {"found": [{"gs1": {"lot": "A1"}}], "count": 1}}}
    assert Template("L {data}/{codes.label.found[0].gs1.lot} {codes.label.count}").filled(context) == "L 7/A1 1"
    for missing in ("{codes.label.found[1].gs1.lot}", "{codes.label.found}", "{1 / 3}", "{1 == 1}"):
        with pytest.raises(NothingThere, match="there is no text at"):
            Template(missing).filled(context)


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


def test_the_example_of_the_page_reads_and_judges(tmp_path: Path) -> None:
    tried = example("ocr", tmp_path)
    expiry = Line("EXP 12.08.2031", "aileron", 270, 120, 0, 36)
    lots = [Line(text, "aileron", 270, 220, 0, 36) for text in ("LOT A4711B", "LOT A4712B")]
    for lot, result in zip(lots, (True, False), strict=True):
        grey = scene((expiry, lot), (320, 640), seed=5)
        image = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
        context = tried.inspect(image, data="A4711B").context
        assert (context["errors"], context["result"]) == ([], result)
        assert context["ocr"]["print"]["best before"]["date"] == "2031-08-12"


def test_the_page_says_what_the_options_are() -> None:
    assert table(OcrOptions) in page("ocr")
    assert table(TextOptions) in page("ocr")
    assert table(BoxOptions) in page("ocr")
