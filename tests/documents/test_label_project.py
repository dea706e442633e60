"""The example project that reads: drawn by this repository, small enough to ship, and right about its samples."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.draw_label import SAMPLES, sample, write_frame
from tests.support.running import CHECKOUT, command
from workers.programs.trying import TriedProject

PROJECT = CHECKOUT / "deploy" / "projects" / "label"
WHY = {
    "wrong_date": ("expiry", "2031-03-12 is -153 days from 2031-08-12, expected at least 0"),
    "wrong_lot": ("lot", "expected 'A4711B'"),
}


@pytest.fixture(scope="module")
def project() -> TriedProject:
    return TriedProject(PROJECT)


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_read_as_they_were_drawn(project: TriedProject, name: str) -> None:
    context, annotated = project.inspect(PROJECT / "samples" / f"{name}.jpg")
    label, read = SAMPLES[name], context["ocr"]["print"]
    (code,) = context["codes"]["label"]["found"]
    assert (code["text"], code["gs1"]["expiry"], code["gs1"]["lot"]) == (label.code, label.expiry, label.lot)
    assert read["lot"]["text"] == label.printed_lot
    assert context["result"] is name.startswith("ok")
    if name != "smeared":
        assert read["expiry"]["text"] == label.printed_expiry
    wrong = {text: values["why"] for text, values in read.items() if not values["fits"]}
    if name == "smeared":  # what is tried depends on time
        assert list(wrong) == ["expiry"]
    else:
        assert wrong == dict([WHY[name]] if name in WHY else [])
    assert annotated.shape == (800, 1280, 3)


def test_redrawing_gives_the_same_picture(tmp_path: Path) -> None:
    write_frame(tmp_path / "redrawn.jpg", sample("ok_2"))
    one, other = (cv2.imread(str(path)) for path in (tmp_path / "redrawn.jpg", PROJECT / "samples" / "ok_2.jpg"))
    assert one is not None
    assert other is not None
    apart = np.abs(one.astype(int) - other)  # another make of processor may round otherwise
    assert apart.mean() < 0.05


def test_there_are_the_frames_that_are_drawn_and_no_others() -> None:
    assert sorted(path.stem for path in (PROJECT / "samples").iterdir()) == sorted(SAMPLES)
    assert sum(path.stat().st_size for path in PROJECT.rglob("*.jpg")) < 600_000


def test_it_has_no_mistakes() -> None:
    done = command("check", PROJECT)
    assert (done.returncode, done.stdout) == (0, "Example label: no mistakes\n"), done.stderr


def test_a_run_says_what_was_read() -> None:
    done = command("run", PROJECT, PROJECT / "samples" / "wrong_date.jpg")
    assert (done.returncode, "1 12.03.2031, 1 A4711B" in done.stdout) == (6, True), done.stdout + done.stderr
