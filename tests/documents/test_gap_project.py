"""The example project that measures: drawn by this repository, and right about its samples to a few micrometres."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from bench.draw_gap import SAMPLES, TARGETS, sample, target, write_frame
from service.cli.command_line import main
from tests.support.running import CHECKOUT, command
from workers.calibration.calibration import read_calibration
from workers.flow.project import load_project
from workers.pool.job import Encoding, Job, ResponseType
from workers.programs.trying import TriedProject
from workers.settings import PoolSettings
from workers.trying.loaded import LoadedProject

PROJECT = CHECKOUT / "deploy" / "projects" / "gap"


@pytest.fixture(scope="module")
def project() -> TriedProject:
    return TriedProject(PROJECT)


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_measured_as_they_were_drawn(project: TriedProject, name: str) -> None:
    context, annotated = project.inspect(PROJECT / "samples" / f"{name}.jpg")
    measures, drawn = context["measures"], SAMPLES[name]
    assert context["result"] is name.startswith("ok")
    assert measures["gap"]["value"] == pytest.approx(drawn.gap_mm, abs=0.003)
    assert measures["hole"]["value"] == pytest.approx(drawn.hole_mm, abs=0.003)
    assert measures["sides"]["value"] == pytest.approx(180, abs=0.05)
    assert (measures["gap"]["ok"], measures["hole"]["ok"]) == (name != "nok_gap", name != "nok_hole")
    assert annotated.shape == (1024, 1920, 3)
    wrong = (annotated == (0, 94, 213)).all(axis=2).any()
    assert wrong == name.startswith("nok")


@pytest.mark.long
@pytest.mark.parametrize(("name", "draw"), [("samples/ok_2.jpg", "ok_2"), ("target/2.jpg", 2)])
def test_redrawing_gives_the_same_picture(tmp_path: Path, name: str, draw: str | int) -> None:
    write_frame(tmp_path / "redrawn.jpg", sample(draw) if isinstance(draw, str) else target(draw))
    one, other = (cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in (tmp_path / "redrawn.jpg", PROJECT / name))
    assert one is not None
    assert other is not None
    apart = np.abs(one.astype(int) - other)  # a processor of another make may round a sine otherwise
    assert apart.max() <= 8
    assert apart.mean() < 0.01


def test_there_are_the_frames_that_are_drawn_and_no_others() -> None:
    targets = ["1_flat.jpg", *(f"{number}.jpg" for number in range(2, len(TARGETS) + 1))]
    assert sorted(path.name for path in (PROJECT / "target").iterdir()) == targets
    assert sorted(path.stem for path in (PROJECT / "samples").iterdir()) == sorted(SAMPLES)
    assert sum(path.stat().st_size for path in PROJECT.rglob("*.jpg")) < 2_000_000


def test_its_calibration_is_what_its_readme_makes(tmp_path: Path) -> None:
    readme = (PROJECT / "README.md").read_text()
    line = next(line for line in readme.splitlines() if line.startswith("framemill calibrate deploy"))
    copy = shutil.copytree(PROJECT, tmp_path / "gap")
    arguments = line.replace("deploy/projects/gap", str(copy)).split()[1:]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.stderr
    made, kept = read_calibration(copy / "calibration.json"), read_calibration(PROJECT / "calibration.json")
    assert made.mm_per_px == pytest.approx(kept.mm_per_px, rel=1e-6)
    assert made.plane_image == kept.plane_image == "1_flat.jpg"


def test_it_has_no_mistakes() -> None:
    done = command("check", PROJECT)
    assert (done.returncode, done.stdout) == (0, "Example gap: no mistakes\n"), done.stderr


def test_the_last_image_has_the_same_lines() -> None:
    loaded = LoadedProject.load(load_project(PROJECT), PoolSettings())
    frame = (PROJECT / "samples" / "nok_gap.jpg").read_bytes()
    answered = loaded.inspect(Job(encoding=Encoding.ENCODED, response=ResponseType.ANNOTATED_IMAGE), frame)
    assert loaded.draw() == answered.picture


def test_a_run_names_what_is_out_of_its_limits() -> None:
    command = [sys.executable, "-m", "service.cli", "run", str(PROJECT), str(PROJECT / "samples" / "nok_gap.jpg")]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=100)
    assert (done.returncode, "1 gap out of limits" in done.stdout) == (6, True), done.stdout + done.stderr
