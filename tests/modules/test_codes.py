"""The module `codes` on frames whose codes are known: what is read, where, and what cannot be."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from bench.codes_scenes import Code, Image, Look, scene
from tests.support.projects import surroundings_in
from workers.context.context import new_context
from workers.context.run import Run
from workers.errors import DeadlineExceeded
from workers.modules.codes.formats import LINEAR, MATRIX, STACKED, ZXING
from workers.modules.codes.module import prepare
from workers.modules.codes.options import CodesOptions
from workers.modules.region_options import RegionOptions

SMALL = (640, 800)
SAID = {
    "QRCode": ("qr", "SN:2026-11-27/000481", None),
    "MicroQRCode": ("micro_qr", "A1234", None),
    "RMQRCode": ("rmqr", "HELLO 1", None),
    "DataMatrix": ("data_matrix", "LOT4711-0815X", None),
    "Aztec": ("aztec", "TICKET 99", None),
    "PDF417": ("pdf417", "LINE3 BATCH 0042", None),
    "MicroPDF417": ("micro_pdf417", "MICRO 7", None),
    "Code128": ("code128", "PN-88421-77", None),
    "Code39": ("code39", "ABC-1234", None),
    "Code93": ("code93", "CODE 93", None),
    "Codabar": ("codabar", "A12345B", None),
    "ITF": ("itf", "12345678", None),
    "ITF14": ("itf", "15400141288763", None),
    "EAN13": ("ean13", "4006381333931", None),
    "EAN8": ("ean8", "96385074", None),
    "UPCA": ("upc_a", "012345678905", None),
    "UPCE": ("upc_e", "01234565", "012345000065"),
    "DataBarOmni": ("databar", "24012345678905", "(01)24012345678905"),
    "DataBarStk": ("databar", "24012345678905", "(01)24012345678905"),
    "DataBarLtd": ("databar_limited", "15012345678907", "(01)15012345678907"),
    "DataBarExp": ("databar_expanded", "(01)98898765432106(3202)012345(15)991231", None),
    "DataBarExpStk": ("databar_expanded", "(01)98898765432106(3202)012345(15)991231", None),
    "Telepen": ("telepen", "TEL 12", None),
}


def look(image: Image, data: str = "", **options: Any) -> dict[str, Any]:
    """Return what the module leaves, with more time than it needs."""
    frame = image.copy()
    frame.flags.writeable = False
    context, run = new_context(frame, data), Run.start(2**62)
    run.frame_px = frame.shape[0], frame.shape[1]
    prepare(CodesOptions.model_validate({"time_ms": 60_000, **options}), surroundings_in(Path()))(context, run)
    return {**context, "told": run.errors}


def found(image: Image, **options: Any) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = look(image, **options)["codes"]["codes"]["found"]
    return read


def texts(image: Image, **options: Any) -> list[str]:
    return [each["text"] for each in found(image, **options)]


def beside(one: float, other: float) -> float:
    return abs(math.remainder(one - other, 360))


@pytest.mark.parametrize("degrees", [0, 33, 45, -100, 180])
@pytest.mark.parametrize("kind", SAID)
def test_each_format_is_read_at_any_angle(kind: str, degrees: float) -> None:
    name, drawn, said = SAID[kind]
    image = scene((Code(kind, drawn, 400, 320, degrees, 3),), Look(size=SMALL, seed=1))
    (code,) = found(image, formats=[name])
    assert (code["text"], code["format"], code["fits"]) == (said or drawn, name, True)
    if not name.startswith("databar_expanded"):  # the reader tells places of its rows only
        assert beside(code["angle"], degrees) < 3


def test_all_formats_that_can_be_named_are_tried_here() -> None:
    assert {name for name, _, _ in SAID.values()} == LINEAR | STACKED | MATRIX == ZXING.keys()


@pytest.mark.parametrize("degrees", [0, 45, 160])
@pytest.mark.parametrize("kind", ["QRCode", "DataMatrix", "Aztec", "Code128", "EAN13", "Code39", "ITF", "PDF417"])
def test_light_codes_on_dark_are_read(kind: str, degrees: float) -> None:
    name, text, _ = SAID[kind]
    image = scene((Code(kind, text, 400, 320, degrees, 3, inverted=True),), Look(size=SMALL, seed=2))
    assert texts(image, formats=[name]) == [text]


@pytest.mark.parametrize("kind", ["QRCode", "DataMatrix", "Code128", "EAN13", "Code39", "ITF", "PDF417"])
@pytest.mark.parametrize("degrees", [10, 70])
def test_what_is_out_of_focus_is_read_that_plain_reading_cannot(kind: str, degrees: float) -> None:
    name, text, _ = SAID[kind]
    code = Code(kind, text, 450, 400, degrees, 4.5, blur_px=2.4)
    assert texts(scene((code,), Look(size=(800, 900), seed=3)), formats=[name]) == [text]


@pytest.mark.parametrize("kind", ["Code128", "EAN13"])
def test_bars_that_are_both_inverted_and_out_of_focus_are_read(kind: str) -> None:
    name, text, _ = SAID[kind]
    code = Code(kind, text, 450, 400, 25, 4.5, blur_px=2.4, inverted=True)
    assert texts(scene((code,), Look(size=(800, 900), seed=3)), formats=[name]) == [text]


@pytest.mark.parametrize("kind", ["QRCode", "DataMatrix", "Code128"])
def test_weak_contrast_and_perspective_are_read(kind: str) -> None:
    name, text, _ = SAID[kind]
    weak = Code(kind, text, 400, 320, 20, 4, levels=(140, 102))
    assert texts(scene((weak,), Look(size=SMALL, seed=4)), formats=[name]) == [text]
    tilted = Code(kind, text, 400, 320, 20, 3, tilt=0.12)
    assert texts(scene((tilted,), Look(size=SMALL, seed=4)), formats=[name]) == [text]


@pytest.mark.parametrize("degrees", [0, 30, -75, 135])
@pytest.mark.parametrize(("kind", "quiet"), [("QRCode", 4), ("DataMatrix", 1), ("Code128", None)])
def test_rectangles_lie_on_their_codes(kind: str, quiet: int | None, degrees: float) -> None:
    name, text, _ = SAID[kind]
    drawn = Code(kind, text, 400, 320, degrees, 3)
    context = look(scene((drawn,), Look(size=SMALL, seed=5)), formats=[name])
    (box,) = context["detectedRectangles"]
    assert (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) == pytest.approx((400, 320), abs=3)
    assert beside(box["rotate"], degrees) < 1.5
    assert box["classNames"][0]["label"] == text
    if quiet is not None:
        height, width = (side / 8 - 2 * (quiet + 3) for side in drawn.fine().shape)
        assert (box["width"], box["height"]) == pytest.approx((width * 3, height * 3), abs=3)
    else:
        assert box["height"] == pytest.approx(150, abs=4)  # bars are drawn 50 modules high
    (code,) = context["codes"]["codes"]["found"]
    upper_left = code["corners"][0]
    turn = math.radians(degrees)
    left, top = -box["width"] / 2, -box["height"] / 2
    place = (400 + left * math.cos(turn) - top * math.sin(turn), 320 + left * math.sin(turn) + top * math.cos(turn))
    assert (upper_left["x"], upper_left["y"]) == pytest.approx(place, abs=6)


def test_several_of_several_formats_are_read_together() -> None:
    codes = (
        Code("QRCode", "ONE", 150, 150, 20, 4),
        Code("DataMatrix", "TWO", 600, 150, -30, 4),
        Code("Code128", "THREE", 280, 480, 45, 2),
        Code("EAN13", "4006381333931", 600, 450, 100, 2),
    )
    context = look(scene(codes, Look(size=SMALL, seed=6)), count_min=4, count_max=4)
    assert {(each["text"], each["format"]) for each in context["codes"]["codes"]["found"]} == {
        ("ONE", "qr"),
        ("TWO", "data_matrix"),
        ("THREE", "code128"),
        ("4006381333931", "ean13"),
    }
    assert (context["result"], len(context["detectedRectangles"])) == (True, 4)


def test_two_that_say_the_same_are_two() -> None:
    codes = (Code("QRCode", "TWIN", 150, 150, 20, 3), Code("QRCode", "TWIN", 550, 400, 110, 3))
    assert texts(scene(codes, Look(size=SMALL, seed=7)), formats=["qr"], count_min=2) == ["TWIN", "TWIN"]


def test_of_bars_that_contradict_each_other_the_one_seen_in_more_stays() -> None:
    code = Code("EAN13", "4006381333931", 400, 320, -128, 3, tilt=0.12)
    for seed in range(4):
        assert texts(scene((code,), Look(size=SMALL, seed=seed)), formats=["ean13"]) == ["4006381333931"]


def test_without_a_code_it_is_nok_and_everything_was_tried() -> None:
    context = look(scene((), Look(size=(240, 320), seed=8)))
    values = context["codes"]["codes"]
    assert (values["count"], values["found"], values["all_tried"]) == (0, [], True)
    assert (context["result"], context["told"], context["detectedRectangles"]) == (False, [], [])


def test_codes_that_are_too_small_are_not_made_up() -> None:
    code = Code("DataMatrix", "LOT4711-0815X", 160, 120, 10, 0.7)
    context = look(scene((code,), Look(size=(240, 320), seed=9)), formats=["data_matrix"])
    assert (context["codes"]["codes"]["count"], context["result"]) == (0, False)


def test_noise_and_stripes_hold_no_codes() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (300, 400), dtype=np.uint8)
    stripes = np.tile(np.repeat(np.array([40, 200], np.uint8), 4), (300, 50))
    for image in (noise, stripes):
        assert found(image, formats=["qr", "data_matrix", "code128", "ean13", "pdf417"]) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1, 3), (2, 2), (7, 5, 3), (31, 33), (40, 30, 3), (1, 300)])
def test_pictures_of_a_few_pixels_hold_no_codes(shape: tuple[int, ...]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    context = look(noise, formats=["qr", "data_matrix", "code128", "pdf417"])
    assert (context["codes"]["codes"]["found"], context["result"], context["told"]) == ([], False, [])


def test_colour_is_read_as_grey_is() -> None:
    grey = scene((Code("QRCode", "COLOUR", 400, 320, 20, 3),), Look(size=SMALL, seed=10))
    bgr = np.ascontiguousarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    bgr[..., 0] = 90  # yellow light: blue says nothing
    assert texts(bgr, formats=["qr"]) == ["COLOUR"]


@pytest.mark.parametrize("region", [{"x": 401, "y": 0, "width": 399, "height": 640},
                                    {"polygon": [[420, 0], [800, 0], [800, 640], [420, 640]]},
                                    {"polygon": [[0, 640], [800, 0], [800, 640]]}])  # fmt: skip
def test_only_the_region_is_read_and_places_are_of_the_image(region: dict[str, Any]) -> None:
    codes = (Code("QRCode", "LEFT", 200, 150, 20, 3), Code("QRCode", "RIGHT", 600, 440, 20, 3))
    context = look(scene(codes, Look(size=SMALL, seed=11)), formats=["qr"], region=RegionOptions.model_validate(region))
    (code,), (box,) = context["codes"]["codes"]["found"], context["detectedRectangles"]
    assert code["text"] == "RIGHT"
    assert (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) == pytest.approx((600, 440), abs=3)


def test_a_frame_whose_time_is_over_is_not_read_to_the_end() -> None:
    module = prepare(CodesOptions(name="label"), surroundings_in(Path()))
    with pytest.raises(DeadlineExceeded, match="was over while a module was at work"):
        module(new_context(scene((), Look(size=SMALL)), ""), Run.start(0))


def test_no_attempt_begins_that_would_end_too_late() -> None:
    values = look(scene((), Look(size=SMALL, seed=12)), time_ms=1)["codes"]["codes"]
    more = look(scene((), Look(size=SMALL, seed=12)))["codes"]["codes"]
    assert (values["all_tried"], more["all_tried"]) == (False, True)
    assert 1 <= values["attempts"] < more["attempts"]
