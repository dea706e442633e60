"""Real frames through a running server: boards with true defects, and files made to hurt decoders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.pictures import png
from tests.support.running import Server, serving, write_project

pytestmark = pytest.mark.long

MIN_IOU = 0.1
MIN_PRECISION, MIN_RECALL = 0.9, 0.95
Box = dict[str, float]


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Iterator[Server]:
    project = write_project(
        tmp_path_factory.mktemp("boards"), '[[flow]]\nmodule = "reference"\nimage = "references/{data}_reference.png"\n'
    )
    (project / "references").mkdir()
    for golden in (shared_data / "pcb").glob("*_reference.png"):
        (project / "references" / golden.name).write_bytes(golden.read_bytes())
    with serving(project) as server:
        yield server


def _inspect(server: Server, body: bytes, board: str) -> dict[str, Any]:
    with server.client() as client:
        answer = client.post("/analyze_image", params={"data": board}, content=body)
    assert answer.status_code == 200, answer.text
    context: dict[str, Any] = answer.json()
    assert context["errors"] == []
    return context


def _iou(one: Box, two: Box) -> float:
    width = min(one["x"] + one["width"], two["x"] + two["width"]) - max(one["x"], two["x"])
    height = min(one["y"] + one["height"], two["y"] + two["height"]) - max(one["y"], two["y"])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (one["width"] * one["height"] + two["width"] * two["height"] - shared)


def _matches(found: list[Box], true: list[Box]) -> int:
    """How many boxes belong together, the best fitting first, each used once."""
    pairs = sorted(((_iou(f, t), i, j) for i, f in enumerate(found) for j, t in enumerate(true)), reverse=True)
    used_found: set[int] = set()
    used_true: set[int] = set()
    for iou, i, j in pairs:
        if iou >= MIN_IOU and i not in used_found and j not in used_true:
            used_found.add(i)
            used_true.add(j)
    return len(used_found)


def test_no_good_board_is_refused_and_no_bad_one_passes(
    boards: Server, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = json.loads((shared_data / "pcb" / "truth.json").read_text())
    found = true = matched = 0
    wrong = []
    for frame in truth:
        name = frame["frame"]
        context = _inspect(boards, (shared_data / "pcb" / f"{name}_test.jpg").read_bytes(), name)
        if context["result"] is not frame["ok"]:
            wrong.append(name)
        found += len(context["detectedRectangles"])
        true += len(frame["defects"])
        matched += _matches(context["detectedRectangles"], frame["defects"])
    precision, recall = matched / found, matched / true
    with capsys.disabled():
        print(f"\nboards: precision {precision:.3f}, recall {recall:.3f} at IoU {MIN_IOU}; wrong verdicts: {wrong}")
    assert wrong == []
    assert precision >= MIN_PRECISION
    assert recall >= MIN_RECALL


def test_every_golden_board_is_good(boards: Server, shared_data: Path) -> None:
    for golden in sorted((shared_data / "pcb").glob("*_reference.png")):
        context = _inspect(boards, golden.read_bytes(), golden.name.removesuffix("_reference.png"))
        assert context["result"] is True, golden.name
        assert context["detectedRectangles"] == []


@pytest.mark.parametrize("name", ["nothing", "../references/00", "", "x" * 300, "00\x00"])
def test_a_board_without_a_golden_image_is_never_good(boards: Server, shared_data: Path, name: str) -> None:
    with boards.client() as client:
        body = (shared_data / "pcb" / "00_reference.png").read_bytes()
        context = client.post("/analyze_image", params={"data": name}, content=body).json()
    assert context["result"] is False
    assert context["error"] is True
    assert context["errors"]


def test_hostile_files_are_answered_and_harm_neither_workers_nor_bystanders(
    server: Server, shared_data: Path, scene: NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    files = sorted((shared_data / "hostile").iterdir())
    assert len(files) > 500
    before = server.status()["workers"]["deaths"]
    good = png(scene)

    def hostile(path: Path) -> tuple[int, float, str]:
        with server.client() as client:
            answer = client.post("/analyze_image", content=path.read_bytes())
        if answer.status_code != 200:
            assert answer.json()["detail"]
        return answer.status_code, answer.elapsed.total_seconds(), path.name

    def bystander(_: int) -> bool:
        with server.client() as client:
            context = client.post("/analyze_image", content=good).json()
        return bool(context["seen"]["sum"] == int(scene.sum()))

    with ThreadPoolExecutor(4) as cameras:
        others = cameras.map(bystander, range(200))
        answers = list(cameras.map(hostile, files))
        assert all(others)
    assert {status for status, _, _ in answers} <= {200, 415, 422}
    assert server.status()["workers"]["deaths"] == before
    slowest = max(answers, key=lambda answer: answer[1])
    with capsys.disabled():
        counts = {status: sum(1 for s, _, _ in answers if s == status) for status in (200, 415, 422)}
        print(f"\nhostile files: {counts}, slowest {1e3 * slowest[1]:.0f} ms ({slowest[2]})")
