"""The example project of turned parts: drawn by this repository, small enough to ship, and right about its samples."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bench.draw_turned_parts import SAMPLES
from tests.support.running import CHECKOUT
from workers.programs.trying import TriedProject

pytestmark = pytest.mark.long

PROJECT = CHECKOUT / "deploy" / "projects" / "turned_parts"
GOLDEN = "references/bracket.png"
FRAMES = [f"samples/{name}.jpg" for name in SAMPLES]
DEFECTS = {
    "missing_hole": ("brighter", (120, 270)),
    "broken_corner": ("darker", (400, 235)),
    "scratch": ("brighter", (140, 306)),
}


def pixels(path: Path) -> NDArray[np.uint8]:
    image = cv2.imread(str(path))
    assert image is not None, path
    return image.astype(np.uint8)


@pytest.fixture(scope="module")
def redrawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("turned_parts")
    subprocess.run([sys.executable, "-m", "bench.draw_turned_parts", str(folder)], cwd=CHECKOUT, check=True)
    return folder


@pytest.fixture(scope="module")
def tried() -> TriedProject:
    return TriedProject(PROJECT)


@pytest.mark.parametrize("name", [GOLDEN, *FRAMES])
def test_redrawing_gives_the_same_pixels(redrawn: Path, name: str) -> None:
    assert np.array_equal(pixels(redrawn / name), pixels(PROJECT / name))
    assert (PROJECT / name).stat().st_size < 100_000


def test_redrawing_gives_no_other_files(redrawn: Path) -> None:
    drawn = sorted(str(path.relative_to(redrawn)) for path in redrawn.rglob("*.*"))
    there = sorted(
        str(path.relative_to(PROJECT)) for folder in ("references", "samples") for path in (PROJECT / folder).iterdir()
    )
    assert drawn == sorted([GOLDEN, *FRAMES]) == there


def inspected(tried: TriedProject, name: str) -> dict[str, Any]:
    return tried.inspect(PROJECT / "samples" / f"{name}.jpg").context


@pytest.mark.parametrize("name", ["ok_1", "ok_2"])
def test_good_brackets_are_ok_at_any_angle(tried: TriedProject, name: str) -> None:
    context = inspected(tried, name)
    assert (context["result"], context["errors"]) == (True, [])
    (lying,) = SAMPLES[name].brackets
    assert math.remainder(context["angle"] - lying.degrees, 360) == pytest.approx(0, abs=0.05)
    (bracket,) = context["detectedRectangles"]
    assert bracket["classNames"][0]["label"] == "bracket"


@pytest.mark.parametrize("name", DEFECTS)
def test_defects_are_found_where_they_lie_in_the_frame(tried: TriedProject, name: str) -> None:
    context = inspected(tried, name)
    assert context["result"] is False
    label, (x, y) = DEFECTS[name]
    (defect,) = (each for each in context["detectedRectangles"] if each["classNames"][0]["label"] != "bracket")
    assert defect["classNames"][0]["label"] == label
    (lying,) = SAMPLES[name].brackets
    cos, sin = math.cos(math.radians(lying.degrees)), math.sin(math.radians(lying.degrees))
    right, down = x - 240, y - 200
    true = lying.x + cos * right - sin * down, lying.y + sin * right + cos * down
    found = defect["x"] + defect["width"] / 2, defect["y"] + defect["height"] / 2
    assert math.dist(true, found) < 15


def test_two_brackets_or_none_are_nok(tried: TriedProject) -> None:
    two = inspected(tried, "two")
    assert (two["result"], two["shapes"]["bracket"]["count"]) == (False, 2)
    none = inspected(tried, "none")
    assert (none["result"], none["shapes"]["bracket"]["count"], none["error"]) == (False, 0, False)


def test_its_page_tells_of_every_sample() -> None:
    text = (PROJECT / "README.md").read_text()
    assert [name for name in SAMPLES if f"`{name}`" not in text] == []
