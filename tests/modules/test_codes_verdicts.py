"""What the module `codes` makes of what it has read: fitting texts, counts, GS1, options, and its page."""

from __future__ import annotations

import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from bench.codes_scenes import Code, Image, Look, scene
from tests.modules.pages import example, page, table
from tests.modules.test_codes import look
from tests.support.projects import inspect, write_project
from workers.errors import ProjectInvalid
from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.modules.codes.gs1 import GS1Mistake, parsed
from workers.modules.codes.options import CodesOptions
from workers.modules.pattern import LONGEST_TEXT, checked_pattern, fits

SIZE = (300, 400)
GS1 = "(01)04006381333931(17)261231(10)LOT4711(21)S99"


def one(text: str = "PN-88421", kind: str = "QRCode", **drawn: Any) -> Image:
    return scene((Code(kind, text, 200, 150, 15, 3, **drawn),), Look(size=SIZE, seed=1))


def two() -> Image:
    codes = (Code("QRCode", "PN-1", 100, 150, 15, 3), Code("QRCode", "XX-2", 300, 150, 15, 3))
    return scene(codes, Look(size=SIZE, seed=2))


@pytest.mark.parametrize(
    ("options", "data", "result", "why"),
    [
        ({}, "", True, None),
        ({"pattern": r"PN-\d{5}"}, "", True, None),
        ({"pattern": r"PN-\d{4}"}, "", False, "does not fit the pattern"),
        ({"pattern": "PN"}, "", False, "does not fit the pattern"),
        ({"equals": "{data}"}, "PN-88421", True, None),
        ({"equals": "PN-{data}"}, "88421", True, None),
        ({"equals": "{data}"}, "PN-88422", False, "expected 'PN-88422'"),
        ({"equals": "{data}"}, "", False, "expected ''"),
        ({"equals": "PN-88421", "pattern": ".*4.*"}, "", True, None),
        ({"gs1": True}, "", False, "no GS1: it is not marked as such"),
        ({"count_min": 2}, "", False, None),
        ({"count_min": 0, "count_max": 0}, "", False, None),
    ],
)
def test_a_code_fits_or_says_why_not(options: dict[str, Any], data: str, result: bool, why: str | None) -> None:
    context = look(one(), data, formats=["qr"], time_ms=50, **options)
    (code,) = context["codes"]["codes"]["found"]
    assert (context["result"], code.get("why"), code["fits"]) == (result, why, why is None)
    color = context["detectedRectangles"][0]["classNames"][0]["color"]
    assert color == ("#009e73" if why is None else "#ff0000")


def test_without_counts_the_result_stays_as_it_was() -> None:
    context = look(one(), formats=["qr"], count_min=0, equals="OTHER")
    assert context["codes"]["codes"]["count"] == 0
    assert context["result"] is True


def test_codes_that_do_not_fit_are_nok_or_ignored() -> None:
    nok = look(two(), formats=["qr"], pattern="PN-.+")
    assert (nok["result"], nok["codes"]["codes"]["count"], len(nok["detectedRectangles"])) == (False, 1, 2)
    ignored = look(two(), formats=["qr"], pattern="PN-.+", others="ignore", name="parts")
    assert (ignored["result"], ignored["codes"]["parts"]["count"]) == (True, 1)
    assert [each["classNames"][0]["label"] for each in ignored["detectedRectangles"]] == ["PN-1"]
    assert len(ignored["codes"]["parts"]["found"]) == 2
    assert look(two(), formats=["qr"], count_max=1)["result"] is False


def test_long_texts_are_cut_in_labels_alone() -> None:
    text = "A" * 90
    context = look(scene((Code("QRCode", text, 200, 150, 15, 3),), Look(size=SIZE, seed=1)), formats=["qr"])
    assert context["codes"]["codes"]["found"][0]["text"] == text
    assert context["detectedRectangles"][0]["classNames"][0]["label"] == "A" * 57 + "..."


# gs1


@pytest.mark.parametrize(("kind", "name"), [("DataMatrix", "data_matrix"), ("QRCode", "qr"), ("Code128", "code128")])
def test_fields_of_gs1_have_names(kind: str, name: str) -> None:
    image = scene((Code(kind, GS1, 400, 150, 5, 2.2, gs1=True),), Look(size=(300, 800), seed=3))
    context = look(image, formats=[name], gs1=True)
    (code,) = context["codes"]["codes"]["found"]
    assert (code["text"], context["result"]) == (GS1, True)
    assert code["gs1"] == {"gtin": "04006381333931", "expiry": "2026-12-31", "lot": "LOT4711", "serial": "S99"}


def test_gs1_with_a_wrong_check_digit_is_read_and_does_not_fit() -> None:
    wrong = "(01)04006381333930(10)A"
    image = scene((Code("DataMatrix", wrong, 200, 150, 5, 4, gs1=True),), Look(size=SIZE, seed=3))
    context = look(image, formats=["data_matrix"], gs1=True)
    (code,) = context["codes"]["codes"]["found"]
    assert code["why"] == "no GS1: (01) gtin is '04006381333930', whose check digit should be 1"
    assert ("gs1" in code, context["result"]) == (False, False)
    assert look(image, formats=["data_matrix"])["result"] is True


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ("00340123450000000000", {"sscc": "340123450000000000"}),
        ("10A/1-b\x1d37\x31\x32", {"lot": "A/1-b", "count": "12"}),
        ("3102001234", {"net_weight_kg": 12.34}),
        ("15991200", {"best_before": "1999-12" if datetime.now(UTC).year < 2049 else "2099-12"}),
        ("\x1d11240229", {"produced": "2024-02-29"}),
        ("3922499\x1d21X", {"price": 4.99, "serial": "X"}),
        ("4104006381333931240ABC", {"ship_to": "4006381333931", "additional_id": "ABC"}),
        ("0104006381333931\x1d10A", {"gtin": "04006381333931", "lot": "A"}),
        ("8200http://a.example/x", {"url": "http://a.example/x"}),
    ],
)
def test_element_strings_are_taken_apart(given: str, values: dict[str, Any]) -> None:
    assert parsed(given) == values


@pytest.mark.parametrize(
    ("given", "mistake"),
    [
        ("", "it is empty"),
        ("0104006381333", r"\(01\) gtin is '04006381333', expected 14 characters"),
        ("010400638133393X", "expected digits"),
        ("17261331", "which is no date"),
        ("11230229", "which is no date"),
        ("10" + "A" * 21, "expected 1 to 20 characters"),
        ("10", "expected 1 to 20 characters"),
        ("10a b", "characters that GS1 has not"),
        ("0512", "no application identifier begins '0512'"),
        ("10A\x1d10B", r"\(10\) is there twice"),
        ("x", "no application identifier begins 'x'"),
    ],
)
def test_what_is_wrong_with_an_element_string_is_told(given: str, mistake: str) -> None:
    with pytest.raises(GS1Mistake, match=mistake):
        parsed(given)


# patterns


@pytest.mark.parametrize(
    "pattern",
    [
        r"PN-\d{5}-\w+",
        r"(AB|CD|EF)-\d+",
        r"(?:\d{3}-)*\d{3}",
        r"\d+-\w+-\d+",
        r"(?i)lot\d{1,8}[A-Z]?",
        r"^SN:.*$",
        r"(AB|CD)+X",
        r"[^/]+/[^/]+",
    ],
)
def test_patterns_of_usual_codes_are_taken(pattern: str) -> None:
    assert checked_pattern(pattern) == pattern


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+",
        "(a|a)*b",
        "(a|ab)*c",
        r"(\w*-?)*",
        "(a*)*b",
        "((a{1,9}){1,9})x",
        ".*.*.*.*.*x",
        r"(.)(\1+)+",
        "(a?){50}b",
    ],
)
def test_patterns_that_may_take_for_ever_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="may take for ever"):
        checked_pattern(pattern)


@pytest.mark.parametrize("pattern", [r".*.*.*x", r"\w+-\w+-\w+-\w+", r"(AB|CD)+X", r"(?:\d{1,9}-){3}"])
def test_patterns_that_are_taken_end_on_the_worst_of_texts(pattern: str) -> None:
    compiled = re.compile(checked_pattern(pattern))
    for text in ("a" * LONGEST_TEXT, "-" * LONGEST_TEXT, "AB" * (LONGEST_TEXT // 2), "1-" * (LONGEST_TEXT // 2)):
        begun = time.process_time()
        fits(compiled, text)
        assert time.process_time() - begun < 60


def test_longer_texts_fit_no_pattern() -> None:
    assert fits(re.compile(".*"), "a" * LONGEST_TEXT)
    assert not fits(re.compile(".*"), "a" * (LONGEST_TEXT + 1))


# options and project


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"formats": []}, "at least 1 item"),
        ({"formats": ["qrcode"]}, "'code128', 'code39'.*'qr'"),
        ({"pattern": "("}, "pattern\n.*is no regular expression: missing \\)"),
        ({"pattern": "(a+)+"}, "has a repeat within another, which may take for ever"),
        ({"pattern": "a" * 201}, "at most 200 characters"),
        ({"equals": ""}, "at least 1 character"),
        ({"count_min": 3, "count_max": 2}, "count_max\n.* is 2, less than count_min = 3"),
        ({"count_min": 201}, "less than or equal to 200"),
        ({"time_ms": 0}, "greater than or equal to 1"),
        ({"others": "warn"}, "'nok' or 'ignore'"),
        ({"region": {"x": 1}}, "has no y, width, height"),
    ],
)
def test_bad_options_are_told_what_was_expected(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CodesOptions.model_validate(options)


def test_a_reader_that_is_not_installed_is_a_mistake_that_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = write_project(tmp_path, '\n[[flow]]\nmodule = "codes"\nformats = ["qrr"]\n')
    monkeypatch.setitem(sys.modules, "zxingcpp", None)  # as Python has what cannot be imported
    with pytest.raises(ProjectInvalid) as told:
        load_project(project)
    assert "pip install 'framemill[codes]'" in told.value.message
    assert "flow[0].module: codes needs the package zxing-cpp, which is not installed" in told.value.message
    assert "flow[0].formats[0]: should be" in told.value.message


def test_a_project_without_codes_needs_no_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zxingcpp", None)
    assert load_project(write_project(tmp_path, '\n[[flow]]\nmodule = "brightness"\n')).steps


def test_a_region_outside_of_the_image_is_an_error_of_the_frame() -> None:
    context = look(one(), region={"x": 350, "y": 0, "width": 100, "height": 100})
    assert "reaches to x = 450" in context["told"][0]["message"]


def test_what_is_read_in_a_turned_crop_lies_in_the_frame(tmp_path: Path) -> None:
    flow = """
    [[flow]]
    module = "preprocess"
    steps = [{ do = "crop", x = 60, y = 20, width = 300, height = 260 }, { do = "rotate", degrees = 90 }]

    [[flow]]
    module = "codes"
    formats = ["qr"]
    """
    context = inspect(Flow.prepare(load_project(write_project(tmp_path, flow))), one()).context
    (box,), (code,) = context["detectedRectangles"], context["codes"]["codes"]["found"]
    assert (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) == pytest.approx((200, 150), abs=2)
    middle = np.mean([(each["x"], each["y"]) for each in code["corners"]], axis=0)
    assert middle == pytest.approx((200, 150), abs=2)
    assert code["angle"] == pytest.approx(15, abs=2)


# the page


def test_the_example_of_the_page_reads_and_judges(tmp_path: Path) -> None:
    tried = example("codes", tmp_path)
    good = cv2.cvtColor(one(GS1, "DataMatrix", gs1=True), cv2.COLOR_GRAY2BGR)
    context = tried.inspect(np.asarray(good, np.uint8)).context
    assert (context["result"], context["codes"]["label"]["found"][0]["gs1"]["lot"]) == (True, "LOT4711")
    wrong = cv2.cvtColor(one("LOT4711", "DataMatrix"), cv2.COLOR_GRAY2BGR)
    assert tried.inspect(np.asarray(wrong, np.uint8)).context["result"] is False


def test_the_page_says_what_the_options_are() -> None:
    assert table(CodesOptions) in page("codes")
