"""The example project that was taught: drawn by this repository, and taught by one command."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.draw_surface import SAMPLES, good_plate, sample, write_frame
from tests.support.running import CHECKOUT
from workers.programs.trying import TriedProject

PROJECT = CHECKOUT / "deploy" / "projects" / "surface"


def framemill(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder."""
    command = [sys.executable, "-I", "-m", "service.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


def untaught(folder: Path) -> Path:
    """Copy the project as it is shipped, to where the readme has it."""
    return shutil.copytree(PROJECT, folder / "deploy" / "projects" / "surface", ignore=shutil.ignore_patterns("models"))


def judged(project: Path) -> dict[str, bool]:
    """What a project says of the samples."""
    tried = TriedProject(project)
    return {name: tried.inspect(PROJECT / "samples" / f"{name}.jpg").context["result"] for name in SAMPLES}


def test_it_says_how_it_is_taught_and_ships_what_it_says(tmp_path: Path) -> None:
    project = untaught(tmp_path)
    done = framemill("check", project, folder=tmp_path)
    assert done.returncode == 3
    assert "flow[0].file: models/surface.npz does not exist" in done.stderr
    assert "framemill train" in done.stderr
    assert sorted(path.stem for path in (PROJECT / "samples").iterdir()) == sorted(SAMPLES)
    assert sum(path.stat().st_size for path in project.rglob("*") if path.is_file()) < 500_000


@pytest.mark.long
def test_it_is_taught_as_its_readme_says(tmp_path: Path) -> None:
    readme = (PROJECT / "README.md").read_text()
    line = re.findall(r"^framemill (train .*)$", readme, flags=re.MULTILINE)[0]
    project = untaught(tmp_path)
    (tmp_path / "good_plates").mkdir()
    for number in range(12):  # the readme has forty
        write_frame(tmp_path / "good_plates" / f"{number:03}.jpg", good_plate(number))
    done = framemill(*line.split(), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "train_report.html").stat().st_size > 100_000
    found = judged(project)
    assert found == {name: name.startswith("ok") for name in found}


@pytest.mark.long
def test_redrawing_gives_the_same_picture(tmp_path: Path) -> None:
    write_frame(tmp_path / "redrawn.jpg", sample("nok_stain"))
    one, other = (
        cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        for path in (tmp_path / "redrawn.jpg", PROJECT / "samples" / "nok_stain.jpg")
    )
    assert one is not None
    assert other is not None
    apart = np.abs(one.astype(int) - other)  # a processor of another make may round a sine otherwise
    assert apart.max() <= 8
    assert apart.mean() < 0.01
