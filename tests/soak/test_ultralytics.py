"""Exports of the real Ultralytics find with our modules what its own predictor finds with them.

They are made by tests/soak/elsewhere/ultralytics_exports.py in an environment of its own, which takes 6 GB and so is
not made here. One that has it, with torch and torchvision that belong together, is named by FRAMEMILL_ULTRALYTICS:

    python -m venv ENV && ENV/bin/pip install ultralytics onnx onnxruntime
    FRAMEMILL_ULTRALYTICS=ENV/bin/python .venv/bin/pytest -m soak tests/soak/test_ultralytics.py
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.projects import write_project
from tests.support.running import CHECKOUT
from workers.flow.flow import Flow
from workers.flow.project import load_project

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

_PYTHON = os.environ.get("FRAMEMILL_ULTRALYTICS", "")
_BOXES = ("yolov8_raw", "yolo11_raw", "yolo11_nms", "yolo26_raw", "yolo26_end2end")
_MASKS = ("yolo11-seg_raw", "yolo11-seg_nms", "yolo26-seg_end2end")
_SURE, _BOX_PX, _MASK_PX = 2e-3, 0.2, 1.5
_AREA = 0.02  # its masks are scaled in two steps

Found = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not _PYTHON:
        pytest.skip(
            "FRAMEMILL_ULTRALYTICS names no Python with ultralytics; the head of this file says how to make one"
        )
    folder = tmp_path_factory.mktemp("exports")
    script = CHECKOUT / "tests" / "soak" / "elsewhere" / "ultralytics_exports.py"
    offline = {"YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true", "YOLO_CONFIG_DIR": str(folder)}
    # -P: its folder is none that it should import from
    command = [_PYTHON, "-P", str(script), str(folder)]
    done = subprocess.run(command, cwd=folder, env=os.environ | offline, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def _looked(exports: Path, folder: Path, name: str, module: str, options: str = "") -> tuple[dict[str, Any], Found]:
    """Return what our module finds, and what Ultralytics has found."""
    write_project(folder, f'[[flow]]\nmodule = "{module}"\nfile = "model.onnx"\n{options}\n')
    shutil.copy(exports / f"{name}.onnx", folder / "model.onnx")
    image = cv2.imread(str(exports / "frame.png"))
    assert image is not None
    flow = Flow.prepare(load_project(folder))
    context = flow.run(np.asarray(image, np.uint8), data="", deadline_ns=time.monotonic_ns() + 10**11).context
    assert context["errors"] == []
    return context, dict(np.load(exports / f"{name}.npz"))


def _rows(rectangles: list[dict[str, Any]]) -> NDArray[np.float64]:
    """Return rectangles as Ultralytics has them: corners, confidence, number of the class."""
    rows = [
        (each["x"], each["y"], each["x"] + each["width"], each["y"] + each["height"], each["confidence"],
         each["classNames"][0]["id"])
        for each in rectangles
    ]  # fmt: skip
    return np.array(rows, np.float64).reshape(-1, 6)


def _pairs(ours: NDArray[np.float64], theirs: NDArray[Any], within_px: float) -> list[tuple[int, int]]:
    """Pair each row of theirs with the nearest of ours that is of its class, as sure, and within so many px."""
    pairs: list[tuple[int, int]] = []
    for number, row in enumerate(theirs):
        off_px = np.abs(ours[:, :4] - row[:4]).max(axis=1)
        off_px[(np.abs(ours[:, 4] - row[4]) > _SURE) | (ours[:, 5] != row[5])] = np.inf
        off_px[[taken for taken, _ in pairs]] = np.inf
        if off_px.min() <= within_px:
            pairs.append((int(off_px.argmin()), number))
    return pairs


def _nearly_empty(rectangle: dict[str, Any]) -> bool:
    return bool(rectangle["area"] <= 2 * (rectangle["width"] + rectangle["height"]))


def _with_area(boxes: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which are boxes at all: a network that has learned nothing also says some that are none."""
    there: NDArray[np.bool_] = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return there


@pytest.mark.parametrize("name", _BOXES)
def test_the_same_boxes_are_found(exports: Path, tmp_path: Path, name: str) -> None:
    context, found = _looked(exports, tmp_path, name, "detector")
    theirs, ours = found["boxes"][_with_area(found["boxes"])], _rows(context["detectedRectangles"])
    assert len(theirs) > 50
    pairs = _pairs(ours, theirs, _BOX_PX)
    print(f"{name}: {len(pairs)} of {len(theirs)} boxes are ours, which are {len(ours)}")
    assert len(pairs) == len(theirs) == len(ours)


@pytest.mark.parametrize("name", _MASKS)
def test_the_same_masks_are_found(exports: Path, tmp_path: Path, name: str) -> None:
    context, found = _looked(exports, tmp_path, name, "segmentation", "area_min_px = 1")
    rectangles = context["detectedRectangles"]
    theirs, masks = found["boxes"], found["masks"]
    pairs = _pairs(_rows(rectangles), theirs, _MASK_PX)
    print(f"{name}: {len(pairs)} of {len(theirs)} masks are ours, which are {len(rectangles)}")
    assert len(pairs) >= 0.99 * len(theirs)
    ours_alone = {*range(len(rectangles))} - {own for own, _ in pairs}
    assert all(_nearly_empty(rectangles[own]) for own in ours_alone)  # which its predictor drops where they are empty
    for own, other in pairs:
        area_px, border_px = int(masks[other].sum()), 2 * float(np.sum(theirs[other, 2:4] - theirs[other, :2]))
        assert abs(rectangles[own]["area"] - area_px) <= border_px + _AREA * area_px


def test_the_same_pixels_are_of_a_class(exports: Path, tmp_path: Path) -> None:
    context, found = _looked(exports, tmp_path, "yolo26-sem_raw", "segmentation", "area_min_px = 1")
    numbers, counts = np.unique(found["semantic_mask"], return_counts=True)
    ours = {each["id"]: each["area"] for each in context["surfaceClasses"]}
    assert ours.keys() == set(numbers.tolist())
    for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
        assert ours[number] == pytest.approx(count, rel=0.03)


def test_a_picture_is_of_the_same_class(exports: Path, tmp_path: Path) -> None:
    context, found = _looked(exports, tmp_path, "yolo11-cls_raw", "classifier", "top = 3")
    top = {int(each["label"]): each["confidence"] for each in context["classes"]["classifier"]["top"]}
    assert next(iter(top)) == int(found["probs"].argmax())
    assert [top[number] for number in range(3)] == pytest.approx(found["probs"].tolist(), abs=0.02)
