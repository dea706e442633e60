"""`framemill new`: what it leaves runs, checks clean, and is nobody's work overwritten."""

from __future__ import annotations

import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.command_line.tried import framemill
from tests.support.pictures import png

pytestmark = pytest.mark.long


def _draw(*, hole: bool) -> bytes:
    """A plate with four screws; one may be missing."""
    image = np.full((240, 320, 3), 180, np.uint8)
    for x, y in ((60, 60), (260, 60), (60, 180), (260, 180)):
        cv2.circle(image, (x, y), 18, (40, 40, 40), -1)
    if hole:
        cv2.circle(image, (260, 180), 19, (180, 180, 180), -1)
    return png(image)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good part.png"
    path.write_bytes(_draw(hole=False))
    return path


def test_it_leaves_a_project_that_checks_clean_runs_and_finds_a_defect(tmp_path: Path, good: Path) -> None:
    project = tmp_path / "line 3" / 'scr"ews'
    done = framemill("new", project, "--good", good, "--yes")
    assert done.returncode == 0, done.stderr
    assert sorted(str(path.relative_to(project)) for path in project.rglob("*")) == [
        *("code", "code/check.py", "data", "framemill.toml", "references", "references/good.png"),
        *("samples", "samples/good.png"),
    ]
    assert framemill("check", project).stdout == 'scr"ews: no mistakes\n'
    tables = tomllib.loads((project / "framemill.toml").read_text())
    assert [step["module"] for step in tables["flow"]] == ["reference", "code"]
    (project / "samples" / "missing.png").write_bytes(_draw(hole=True))
    done = framemill("run", project, project / "samples")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["verdict", "OK", "NOK"]
    assert [path.name for path in good.parent.iterdir() if path.name.startswith(".")] == []


def test_every_option_that_is_commented_out_is_one_that_may_be_switched_on(tmp_path: Path, good: Path) -> None:
    framemill("new", tmp_path / "p", "--good", good, "--yes")
    lines = (tmp_path / "p" / "framemill.toml").read_text().splitlines()
    lines = [line for line in lines if not line.startswith("# image")]  # the same key for the other way
    off = [line for line in lines if line.startswith("# ") and ("=" in line or line.startswith("# ["))]
    assert len(off) >= 10
    on = [line.removeprefix("# ") if line in off else line for line in lines]
    (tmp_path / "p" / "framemill.toml").write_text("\n".join(on))
    done = framemill("check", tmp_path / "p")
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_is_overwritten(tmp_path: Path, good: Path) -> None:
    project = tmp_path / "p"
    project.mkdir()
    assert framemill("new", project, "--good", good).returncode == 0  # an empty folder is no work of anybody's
    (project / "framemill.toml").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for there in (project, tmp_path / "file", tmp_path / "link"):
        done = framemill("new", there, "--good", good, "--yes")
        assert (done.returncode, "nothing is overwritten" in done.stderr) == (1, True)
    assert (project / "framemill.toml").read_text() == "mine"
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_it_asks_for_the_picture(tmp_path: Path, good: Path) -> None:
    done = framemill("new", tmp_path / "p", said=f"{good}\n")
    assert done.returncode == 0
    assert "Picture of a good part" in done.stderr
    assert (tmp_path / "p" / "samples" / "good.png").read_bytes() == good.read_bytes()
    assert framemill("new", tmp_path / "q", "--yes", said=f"{good}\n").returncode == 2
    done = framemill("new", tmp_path / "q", said="")
    assert done.returncode == 130
    assert not (tmp_path / "q").exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read"),
        (b"not a picture", "neither a JPEG nor a PNG"),
        (_draw(hole=False)[:400], "the picture cannot be used"),
    ],
)
def test_a_picture_that_is_none_leaves_nothing(tmp_path: Path, content: bytes | None, why: str) -> None:
    path = tmp_path / "part.png"
    if content is not None:
        path.write_bytes(content)
    before = sorted(tmp_path.iterdir())
    done = framemill("new", tmp_path / "p", "--good", path, "--yes")
    assert done.returncode == 1
    assert why in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(tmp_path.iterdir()) == before
