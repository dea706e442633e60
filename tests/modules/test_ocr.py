"""The module `ocr` on lines whose text is known: what is read, where, in which ways, and what cannot be."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from bench.ocr_scenes import FONTS, Image, Line, box_of, scene
from tests.support.projects import inspect, surroundings_in, write_project
from workers.context.context import new_context
from workers.context.run import Run
from workers.errors import DeadlineExceeded
from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.modules.ocr.module import prepare
from workers.modules.ocr.options import OcrOptions
from workers.modules.ocr.recognizer import Alphabet, ReadLine, Recognizer

SIZE = (240, 640)
MIDDLE: dict[str, Any] = {"x": 320.0, "y": 120.0}
SURROUNDINGS = surroundings_in(Path())  # its modules share the model


def look(image: Image, data: str = "", module: dict[str, Any] | None = None, **text: Any) -> dict[str, Any]:
    """Return what the module leaves of one text, with more time than it needs."""
    frame = image.copy()
    frame.flags.writeable = False
    context, run = new_context(frame, data), Run.start(2**62)
    run.frame_px = frame.shape[0], frame.shape[1]
    options = {"texts": [{"name": "t", **text}], "time_ms": 60_000, **(module or {})}
    prepare(OcrOptions.model_validate(options), SURROUNDINGS)(context, run)
    return {**context, "told": run.errors}


def said(image: Image, **text: Any) -> dict[str, Any]:
    found: dict[str, Any] = look(image, **text)["ocr"]["ocr"]["t"]
    return found


def drawn(line: Line, **frame: Any) -> Image:
    return scene((line,), SIZE, seed=3, **frame)


@pytest.mark.parametrize("font", FONTS)
def test_each_font_is_read(font: str) -> None:
    line = Line("LOT A4711B 12.08.27", font, **MIDDLE, height_px=24)
    assert said(drawn(line), box=box_of(line))["text"].replace(" ", "") == "LOTA4711B12.08.27"


@pytest.mark.parametrize(
    "look_",
    [
        {"inverted": True},
        {"levels": (140.0, 118.0)},
        {"blur_px": 2.4},
        {"height_px": 14.0},
        {"dots": 0.5, "height_px": 40.0},
        {"dots": 0.7},
        {"dots": 1.0, "inverted": True},
    ],
)
def test_weak_inverted_small_blurred_and_dotted_print_is_read(look_: dict[str, Any]) -> None:
    line = Line("EXP 27-03-14", **{**MIDDLE, "height_px": 28.0, **look_})
    assert said(drawn(line), box=box_of(line), characters="EXP 0123456789-")["text"].replace(" ", "") == "EXP27-03-14"


@pytest.mark.parametrize(("degrees", "off"), [(0, 0), (0, 5), (20, -4), (-15, 3), (180, 0)])
def test_turned_boxes_are_read_and_rectangles_lie_on_their_lines(degrees: float, off: float) -> None:
    line = Line("SERIAL X8-B52", **MIDDLE, degrees=degrees, height_px=26)
    box = {**box_of(line), "angle": degrees - off}
    context = look(drawn(line), box=box)
    (rectangle,), found = context["detectedRectangles"], context["ocr"]["ocr"]["t"]
    assert found["text"] == "SERIAL X8-B52"
    middle = rectangle["x"] + rectangle["width"] / 2, rectangle["y"] + rectangle["height"] / 2
    assert middle == pytest.approx((320, 120), abs=5)
    assert abs(math.remainder(rectangle["rotate"] - degrees, 360)) < 2
    assert rectangle["height"] == pytest.approx(26, abs=8)
    assert (rectangle["source"]["type"], rectangle["classNames"][0]["label"]) == ("CODE", "SERIAL X8-B52")
    corners = [(each["x"], each["y"]) for each in found["lines"][0]["corners"]]
    assert np.mean(corners, axis=0) == pytest.approx((320, 120), abs=5)
    assert (corners[1][0] > corners[0][0]) == (abs(degrees) < 90)  # as one reads it


@pytest.mark.parametrize("degrees", [0.0, 180.0])
def test_what_may_lie_upside_down_is_read_both_ways(degrees: float) -> None:
    line = Line("EXP 2027-03-14", **MIDDLE, degrees=degrees, height_px=26)
    box = {**box_of(line), "angle": 0.0}
    found = said(drawn(line), box=box, upside_down="try")
    assert (found["text"], found["confidence"] > 0.9) == ("EXP 2027-03-14", True)
    assert (said(drawn(line), box=box)["text"] == "EXP 2027-03-14") == (degrees == 0)


def page(*texts: str, height_px: float = 20, apart: int = 40, degrees: float = 0) -> Image:
    """Return lines over each other on one paper, (h, w)."""
    paper = np.full(SIZE, 205, np.uint8)
    for row, text in enumerate(texts):
        ink = Line(text).fine()
        size = (round(ink.shape[1] * height_px / 96), round(ink.shape[0] * height_px / 96))
        small = cv2.resize(ink, size, interpolation=cv2.INTER_AREA)
        top, left = 20 + row * apart, 60
        part = paper[top : top + size[1], left : left + size[0]]
        part[:] = part - (small.astype(np.uint16) * 150 // 255)
    matrix = cv2.getRotationMatrix2D((SIZE[1] / 2, SIZE[0] / 2), -degrees, 1)
    turned = cv2.warpAffine(paper, matrix, SIZE[::-1], borderValue=205)
    noise = np.random.default_rng(1).normal(0, 3, SIZE)
    return np.clip(turned + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("degrees", [0, 3, -2])
def test_several_lines_of_a_box_are_read_from_above(degrees: float) -> None:
    texts = ("ACME Übergröße", "PN 88421-77", "LOT A4711B", "24V 3.5A IP67")
    context = look(page(*texts, degrees=degrees))
    found = context["ocr"]["ocr"]["t"]
    assert [each["text"] for each in found["lines"]] == list(texts)
    assert found["text"] == " ".join(texts)
    assert [each["classNames"][0]["label"] for each in context["detectedRectangles"]] == list(texts)


def test_close_lines_are_told_apart_and_one_can_be_asked_for() -> None:
    image = page("LOT A4711B 24 PIECES", "EXP 12.08.2027 17:45", apart=30)
    assert [each["text"] for each in said(image)["lines"]] == ["LOT A4711B 24 PIECES", "EXP 12.08.2027 17:45"]
    box = {"x": 40, "y": 28, "width": 560, "height": 22}  # the upper line, and a border of the lower one
    assert said(image, box=box, lines=1)["text"] == "LOT A4711B 24 PIECES"


def test_a_frame_around_print_and_a_rule_under_it_are_no_letters() -> None:
    image = page("LOT A4711B")
    cv2.rectangle(image, (40, 15), (420, 70), 40, 2)
    cv2.line(image, (50, 62), (400, 62), 40, 2)
    assert said(image, box={"x": 20, "y": 5, "width": 440, "height": 75})["text"] == "LOT A4711B"


def test_only_characters_that_can_be_there_are_read() -> None:
    line = Line("O0I1 B8S5", "sans", **MIDDLE, height_px=30)
    assert said(drawn(line), box=box_of(line), characters="0123456789")["text"] == "00118855"
    assert said(drawn(line), box=box_of(line), characters="0123456789OIBS ")["text"].replace(" ", "") == "O0I1B8S5"


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1, 3), (2, 2), (7, 5, 3), (31, 33), (40, 30, 3), (1, 300)])
def test_pictures_of_a_few_pixels_are_read_without_an_error(shape: tuple[int, ...]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    context = look(noise, equals="LOT A4711B")
    assert (context["told"], context["result"], context["ocr"]["ocr"]["t"]["fits"]) == ([], False, False)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_empty_picture_says_nothing(level: int) -> None:
    context = look(np.full((60, 300), level, np.uint8), box={"x": 10, "y": 10, "width": 200, "height": 40}, equals="X")
    found, (rectangle,) = context["ocr"]["ocr"]["t"], context["detectedRectangles"]
    assert (found["text"], found["why"], found["lines"]) == ("", "nothing was read", [])
    assert (rectangle["classNames"][0]["label"], rectangle["x"], context["result"]) == ("t: nothing read", 10, False)
    assert look(np.full((60, 300), level, np.uint8))["detectedRectangles"] == []


def test_colour_is_read_as_grey_is() -> None:
    line = Line("LOT A4711B", **MIDDLE, height_px=26)
    grey = drawn(line)
    colour = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    for box in (box_of(line), {**box_of(line), "angle": 2.0}):
        assert said(colour, box=box) == said(grey, box=box)


def test_what_is_read_in_a_turned_crop_lies_in_the_frame(tmp_path: Path) -> None:
    flow = """
    [[flow]]
    module = "preprocess"
    steps = [{ do = "crop", x = 60, y = 20, width = 560, height = 200 }, { do = "rotate", degrees = 90 }]

    [[flow]]
    module = "ocr"

    [[flow.texts]]
    name = "t"
    box = { x = 0, y = 180, width = 200, height = 200, angle = 90 }
    """
    line = Line("EXP 27", **MIDDLE, height_px=26)
    context = inspect(Flow.prepare(load_project(write_project(tmp_path, flow))), drawn(line)).context
    (box,), found = context["detectedRectangles"], context["ocr"]["ocr"]["t"]
    assert (found["text"], box["source"]["type"]) == ("EXP 27", "OCR")
    assert (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) == pytest.approx((320, 120), abs=4)
    corners = np.array([(each["x"], each["y"]) for each in found["lines"][0]["corners"]])
    assert corners.mean(axis=0) == pytest.approx((320, 120), abs=4)
    assert abs(corners[1] - corners[0])[1] < 3


@pytest.mark.parametrize("angle", [0.0, 30.0])
def test_a_box_outside_of_the_image_is_an_error_of_the_frame(angle: float) -> None:
    context = look(drawn(Line("X", **MIDDLE)), box={"x": 500, "y": 10, "width": 200, "height": 30, "angle": angle})
    assert "expected inside the image, 640 x 240 px" in context["told"][0]["message"]


def test_a_frame_without_time_is_broken_off() -> None:
    context, run = new_context(drawn(Line("LOT", **MIDDLE)), ""), Run.start(time.monotonic_ns())
    module = prepare(OcrOptions.model_validate({"texts": [{"name": "t"}]}), SURROUNDINGS)
    with pytest.raises(DeadlineExceeded, match=r"was over while a module was at work"):
        module(context, run)


def test_no_further_way_is_tried_when_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    once = Recognizer.read

    def counted(self: Recognizer, grey: Image, alphabet: Alphabet) -> ReadLine:
        calls.append(grey.shape)
        return once(self, grey, alphabet)

    monkeypatch.setattr(Recognizer, "read", counted)
    noise = np.random.default_rng(1).integers(0, 256, (60, 300), dtype=np.uint8)
    look(noise, lines=1)
    every = len(calls)
    look(noise, module={"time_ms": 1}, lines=1)
    assert every > 1
    assert len(calls) - every == 1
