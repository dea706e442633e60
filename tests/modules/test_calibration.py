"""Calibration with a drawn target in front of a camera that is known, and what `measure` makes of it in mm."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.modules.scenes import Camera, chessboard, circles, views
from tests.support.projects import inspect, write_project
from workers.calibration.calibration import Calibration, read_calibration
from workers.calibration.finding import NotSeen, find_target
from workers.calibration.plane import Plane
from workers.calibration.printing import printed
from workers.calibration.solving import CannotCalibrate, Solved, View, solve
from workers.calibration.target import read_target, sheet_of
from workers.errors import ProjectInvalid
from workers.flow.flow import Flow
from workers.flow.project import load_project

Points = NDArray[np.float64]

CAMERA = Camera()
BOARD = read_target("chessboard:9x6:10mm")
SIZE_PX = (CAMERA.width, CAMERA.height)


@pytest.fixture(scope="module")
def pictures() -> list[NDArray[np.uint8]]:
    return [CAMERA.picture(chessboard(9, 6, 10), *view) for view in views(5)]


@pytest.fixture(scope="module")
def calibrated(pictures: list[NDArray[np.uint8]]) -> Solved:
    seen = [View(f"{number}.png", find_target(picture, BOARD)) for number, picture in enumerate(pictures)]
    return solve(BOARD, seen, SIZE_PX, "0.png", 0.5)


def worst_mm(calibration: Calibration) -> float:
    """Return the largest error of distances between places all over the picture; the plane is that of the first."""
    grid = np.array([(x, y) for x in np.arange(-5.0, 95, 10) for y in np.arange(-5.0, 65, 10)])
    px = CAMERA.px(grid, *views(1)[0])
    inside = (px > 0).all(axis=1) & (px < SIZE_PX).all(axis=1)
    assert np.count_nonzero(inside) > 50
    found, true = Plane(calibration, "").mm(px[inside] + 0.5), grid[inside]
    apart = [np.hypot(*(each[:, None] - each[None]).transpose(2, 0, 1)) for each in (found, true)]
    return float(np.abs(apart[0] - apart[1]).max())


def test_the_camera_and_its_millimetres_are_found(calibrated: Solved) -> None:
    made = calibrated.calibration
    assert made.focal_px == pytest.approx((700, 702), abs=2)
    assert made.centre_px == pytest.approx((327.3, 236.1), abs=2)
    assert made.distortion[0] == pytest.approx(-0.18, abs=0.01)
    assert made.rms_px < 0.1
    assert made.mm_per_px == pytest.approx(0.161, abs=0.001)
    assert (calibrated.left_out, calibrated.notes, len(made.images)) == ({}, [], 5)
    assert worst_mm(made) < 0.03  # over 80 mm; a pixel has 0.16


def test_one_picture_is_enough_for_its_plane(pictures: list[NDArray[np.uint8]]) -> None:
    solved = solve(BOARD, [View("flat.png", find_target(pictures[0], BOARD))], SIZE_PX, "flat.png", 0.5)
    assert worst_mm(solved.calibration) < 0.1
    assert "flat.png alone was used" in solved.notes[0]


def test_circles_do_as_well() -> None:
    target = read_target("circles:9x6:10mm")
    points = find_target(CAMERA.picture(circles(9, 6, 10), *views(1)[0]), target)
    solved = solve(target, [View("flat.png", points)], SIZE_PX, "flat.png", 0.5)
    assert worst_mm(solved.calibration) < 0.1


def test_a_bent_target_is_left_out_and_a_wrong_one_refused(pictures: list[NDArray[np.uint8]]) -> None:
    seen = [View(f"{number}.png", find_target(picture, BOARD)) for number, picture in enumerate(pictures)]
    bent = seen[2].points + np.sin(np.arange(54) / 3)[:, None] * (2, 1)
    solved = solve(BOARD, [*seen, View("bent.png", bent)], SIZE_PX, "0.png", 0.5)
    assert "px beside, those of others" in solved.left_out["bent.png"]
    assert worst_mm(solved.calibration) < 0.03
    shaken = [View(view.name, view.points + np.random.default_rng(1).normal(0, 2, (54, 2))) for view in seen]
    with pytest.raises(CannotCalibrate, match=r"at most 0.5 is allowed"):
        solve(BOARD, shaken, SIZE_PX, "0.png", 0.5)


def test_what_is_wrong_with_a_picture_is_said(pictures: list[NDArray[np.uint8]]) -> None:
    with pytest.raises(NotSeen, match="it is a chessboard of 9 x 6 inner corners, not 10 x 7"):
        find_target(pictures[0], read_target("chessboard:10x7:10mm"))
    with pytest.raises(NotSeen, match="all of it must be seen"):
        find_target(np.full((48, 64), 90, np.uint8), BOARD)
    with pytest.raises(NotSeen, match="all of them must be seen"):
        find_target(pictures[0], read_target("circles:9x6:10mm"))


@pytest.mark.parametrize("text", ["chess:9x6:10mm", "chessboard:9x6", "chessboard:2x6:10mm", "circles:9x6:0mm", ""])
def test_a_target_that_is_none_is_told_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        read_target(text)


def gap_mm(calibration: Calibration, folder: Path, before: str = "", places: Points | None = None) -> dict[str, Any]:
    """Measure a bar that is 20 mm wide, and a disc of 24, far from the middle; returns the context."""
    folder.mkdir(exist_ok=True)
    (folder / "calibration.json").write_text(calibration.model_dump_json())

    def levels(x: Points, y: Points) -> Points:
        on = ((x > -2) & (x < 18)) | (np.hypot(x - 65, y - 35) < 12)
        return np.where(on, 40.0, 200.0)

    view = views(1)[0]
    given = np.array([(-6, 45), (22, 45), (65, 35), (77, 35)], np.float64)
    (start, end, centre, rim) = (CAMERA.px(given, *view) if places is None else places) + 0.5
    flow = f"""
        {before}

        [[flow]]
        module = "measure"
        calibration = "calibration.json"
        tools = [
            {{ kind = "width", name = "bar", start = {start.tolist()}, end = {end.tolist()}, width_px = 10 }},
            {{ kind = "circle", name = "disc", centre = {centre.tolist()}, radius_px = {rim[0] - centre[0]} }},
            {{ kind = "distance", name = "px", between = ["bar", "disc"], unit = "px" }},
        ]
    """
    prepared = Flow.prepare(load_project(write_project(folder, flow)))
    return inspect(prepared, CAMERA.picture(levels, *view)).context


def test_lengths_are_in_millimetres_wherever_they_are_in_the_picture(calibrated: Solved, tmp_path: Path) -> None:
    measures = gap_mm(calibrated.calibration, tmp_path)["measures"]
    assert {name: found["unit"] for name, found in measures.items()} == {"bar": "mm", "disc": "mm", "px": "px"}
    assert measures["bar"]["value"] == pytest.approx(20, abs=0.03)
    assert measures["disc"]["value"] == pytest.approx(24, abs=0.03)


def test_a_distortion_that_preprocess_has_taken_out_is_not_taken_out_again(calibrated: Solved, tmp_path: Path) -> None:
    step = '[[flow]]\nmodule = "preprocess"\nsteps = [{{ do = "undistort", {} }}]'
    made = calibrated.calibration
    matrix, k = np.array(made.camera_matrix), np.array(made.distortion)
    given = CAMERA.px(np.array([(-6, 45), (22, 45), (65, 35), (77, 35)], np.float64), *views(1)[0])
    straight = np.asarray(cv2.undistortPoints(given[:, None], matrix, k, None, None, matrix), np.float64)[:, 0]
    context = gap_mm(made, tmp_path, step.format('calibration = "calibration.json"'), straight)
    assert context["measures"]["bar"]["value"] == pytest.approx(20, abs=0.03)
    assert context["measures"]["disc"]["value"] == pytest.approx(24, abs=0.03)
    other = step.format("focal_px = [700.0, 700.0], centre_px = [320.0, 240.0], k = [0.1, 0.0, 0.0, 0.0]")
    context = gap_mm(made, tmp_path, other, straight)
    assert (context["result"], "measures" in context) == (False, False)
    assert "another distortion than that of calibration.json" in context["errors"][0]["message"]


def test_frames_of_another_size_are_errors(calibrated: Solved, tmp_path: Path) -> None:
    smaller = calibrated.calibration.model_copy(update={"width_px": 320})
    context = gap_mm(smaller, tmp_path)
    assert context["result"] is False
    assert "is a calibration of frames of 320 x 480 px, this one has 640 x 480" in context["errors"][0]["message"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "calibration.json is no calibration"),
        ("{}", "at target: Field required"),
        ("[1, 2]", "no calibration"),
    ],
)
def test_a_file_that_is_no_calibration_is_a_mistake_of_the_project(tmp_path: Path, content: str, message: str) -> None:
    write_project(
        tmp_path,
        """
        [[flow]]
        module = "measure"
        calibration = "calibration.json"
        tools = [{ kind = "edge", name = "e", start = [1, 1], end = [50, 1] }]

        [[flow]]
        module = "preprocess"
        steps = [{ do = "grey" }, { do = "undistort", calibration = "calibration.json" }]
        """,
    )
    (tmp_path / "calibration.json").write_text(content)
    with pytest.raises(ProjectInvalid, match=re.escape(message)) as raised:
        load_project(tmp_path)
    assert [line.partition(": ")[0] for line in raised.value.message.splitlines()] == [
        "flow[0].calibration",
        "flow[1].steps[1].calibration",
    ]


def test_a_matrix_that_cannot_be_undone_is_no_calibration(calibrated: Solved, tmp_path: Path) -> None:
    content = json.loads(calibrated.calibration.model_dump_json())
    content["plane_to_mm"] = [[1, 0, 0], [2, 0, 0], [0, 0, 1]]
    (tmp_path / "c.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="at plane_to_mm: Value error"):
        read_calibration(tmp_path / "c.json")


def test_a_printed_svg_has_true_millimetres() -> None:
    root = ET.fromstring(printed(sheet_of(BOARD), "target.svg"))
    assert (root.get("width"), root.get("height"), root.get("viewBox")) == ("297mm", "210mm", "0 0 297 210")
    squares = [each for each in root if each.get("width") == "10" == each.get("height")]
    assert len(squares) == 35  # of 70
    assert len({(float(each.get("x", 0)) - float(squares[0].get("x", 0))) % 10 for each in squares}) == 1


def test_a_printed_png_says_its_resolution_and_is_found_as_the_target() -> None:
    for text in ("chessboard:7x5:12.5mm", "circles:7x5:12.5mm"):
        target = read_target(text)
        content = printed(sheet_of(target), "t.png")
        at = content.index(b"pHYs")
        per_metre, _, unit = struct.unpack(">IIB", content[at + 4 : at + 13])
        assert (per_metre, unit) == (24_000, 1)
        sheet = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
        small = np.asarray(cv2.resize(np.asarray(sheet), None, fx=0.1, fy=0.1, interpolation=cv2.INTER_AREA), np.uint8)
        points = find_target(small, target).reshape(5, 7, 2)
        steps = np.hypot(*np.diff(points, axis=1).transpose(2, 0, 1))
        assert steps.mean() == pytest.approx(12.5 * 2.4, abs=0.02)


def test_a_printed_pdf_is_one_page_of_that_size() -> None:
    content = printed(sheet_of(read_target("circles:30x20:20mm")), "t.pdf")
    box = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", content)
    assert box is not None
    assert [float(side) / 72 * 25.4 for side in box.groups()] == pytest.approx(
        [29 * 20 + 60, 19 * 20 + 60 + 12], abs=0.01
    )
    assert content.count(b" c ") + content.count(b" c\n") >= 600
    start = int(content.rsplit(b"startxref\n", 1)[1].split()[0])
    assert content[start:].startswith(b"xref")
    for line in content[start:].splitlines()[3:8]:
        assert re.match(rb"\d 0 obj", content[int(line.split()[0]) :])


def test_a_sheet_of_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ends with none of \.svg, \.pdf, \.png"):
        printed(sheet_of(BOARD), "target.docx")
    with pytest.raises(ValueError, match="too large for a PNG"):
        printed(sheet_of(read_target("chessboard:9x6:100mm")), "t.png")
