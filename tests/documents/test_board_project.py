"""The example project: whole, small enough to ship, and drawn by this repository."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

CHECKOUT = Path(__file__).resolve().parents[2]
PROJECT = CHECKOUT / "deploy" / "projects" / "board"
GOLDEN = "references/board.png"
GOOD = ["samples/ok_1.jpg", "samples/ok_2.jpg"]
BAD = [f"samples/{name}.jpg" for name in ("open_trace", "short", "missing_component", "spur")]


def pixels(path: Path) -> NDArray[np.uint8]:
    image = cv2.imread(str(path))
    assert image is not None, path
    return image.astype(np.uint8)


@pytest.fixture(scope="module")
def redrawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("board")
    subprocess.run([sys.executable, "-m", "bench.draw_board", str(folder)], cwd=CHECKOUT, check=True)
    return folder


@pytest.mark.parametrize("name", [GOLDEN, *GOOD, *BAD])
def test_redrawing_gives_the_same_pixels(redrawn: Path, name: str) -> None:
    assert np.array_equal(pixels(redrawn / name), pixels(PROJECT / name))


def test_redrawing_gives_no_other_files(redrawn: Path) -> None:
    drawn = sorted(str(path.relative_to(redrawn)) for path in redrawn.rglob("*.*"))
    assert drawn == sorted([GOLDEN, *GOOD, *BAD])


@pytest.mark.parametrize("name", [GOLDEN, *GOOD, *BAD])
def test_images_are_camera_frames_and_small_enough_to_ship(name: str) -> None:
    assert pixels(PROJECT / name).shape == (1024, 1920, 3)
    assert (PROJECT / name).stat().st_size < 400_000


def test_good_samples_differ_from_the_golden_board_by_shift_light_and_noise_only() -> None:
    golden = cv2.GaussianBlur(pixels(PROJECT / GOLDEN), (9, 9), 0).astype(np.float32)
    for name, shift, gain in ((GOOD[0], (0.6, -0.4), 1.0), (GOOD[1], (-1.6, 1.2), 1.08)):
        back = np.array([[1, 0, -shift[0]], [0, 1, -shift[1]]])
        moved = cv2.warpAffine(pixels(PROJECT / name), back, (1920, 1024), borderMode=cv2.BORDER_REPLICATE)
        seen = cv2.GaussianBlur(moved, (9, 9), 0).astype(np.float32) / np.float32(gain)
        assert np.percentile(np.abs(seen - golden), 99.9) < 12


def test_the_project_file_names_files_that_exist() -> None:
    project = tomllib.loads((PROJECT / "framemill.toml").read_text(encoding="utf-8"))
    assert project["project"] == {"name": "Example board"}
    reference, code = project["flow"]
    assert (reference["module"], code["module"]) == ("reference", "code")
    assert (PROJECT / reference["image"]).is_file()
    assert (PROJECT / code["file"]).is_file()
    assert code["form"] == {"max_defects": 0}


def test_the_package_file_for_the_vendors_sdk_is_there() -> None:
    assert json.loads((PROJECT / "pekat_package.json").read_text(encoding="utf-8"))["name"] == "Example board"
