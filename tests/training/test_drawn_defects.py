"""`framemill run --drawn-defects`: what a project would miss, on the real flow, in real processes."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from service.cli.commands.run import run
from service.tryout.drawn import CONTRASTS, SIZES
from tests.command_line.tried import framemill
from tests.support.pictures import Picture, decoded, png
from tests.support.running import write_project
from workers.flow.project import load_project
from workers.settings import PoolSettings
from workers.training.kinds import KINDS
from workers.trying.drawn_files import CannotDraw, Drawing, Wish

FLOW = '[[flow]]\nmodule = "code"\nfile = "code/judge.py"\n'
# refuses what is darker or brighter by 40 levels anywhere, and marks it; the first pixel has it do otherwise
JUDGE = """
import numpy as np


def main(context):
    image = context["image"]
    grey = image if image.ndim == 2 else image.max(axis=2)
    mark, grey = int(grey[0, 0]), grey[8:].astype(int)
    strange = np.abs(grey - 128) > 40
    context["result"] = not strange.any() and mark != 20
    if mark == 60:
        raise ValueError("too odd")
    if strange.any() and mark == 40:
        context["detectedRectangles"].append({"x": 2, "y": 0, "width": 3, "height": 3})
    elif strange.any() and mark == 50:
        heat = np.zeros(image.shape[:2], np.float32)
        heat[8:][strange] = 1
        context["heatmaps"].append(heat)
    elif strange.any() and mark != 30:
        y, x = np.nonzero(strange)
        context["detectedRectangles"].append(
            {"x": int(x.min()), "y": int(y.min()) + 8, "width": int(np.ptp(x)) + 1, "height": int(np.ptp(y)) + 1}
        )
"""
PLAIN, REFUSED, UNMARKED, ELSEWHERE, HEAT, RAISES = 10, 20, 30, 40, 50, 60


def good(path: Path, mark: int = PLAIN, shape: tuple[int, ...] = (120, 160, 3)) -> Path:
    """Write a picture of a plain surface with `mark` in its first rows, where no part is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(mark).normal(128, 2, shape).round().astype(np.uint8)
    image[:8] = mark
    path.write_bytes(png(image))
    return path


def part(path: Path) -> Path:
    """Write the picture that says where the part is."""
    where = np.full((120, 160), 255, np.uint8)
    where[:20] = where[-12:] = where[:, :12] = where[:, -12:] = 0
    path.write_bytes(png(where))
    return path


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("judge"), FLOW, judge=JUDGE)


def drawn(project: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return framemill("run", project, *arguments, "--drawn-defects", "--workers", 1)


def wrongly(project: Path, *arguments: object) -> tuple[int, str]:
    """Ask for it in this process: no picture is inspected. The status, and what is said."""
    done = CliRunner().invoke(run, [str(project), *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.output


def table(printed: str) -> dict[str, dict[str, str]]:
    head, *rows = (re.split(r"\s{2,}", line.strip()) for line in printed.splitlines())
    return {row[0]: dict(zip(head, row, strict=True)) for row in rows}


def test_it_says_by_kind_size_and_contrast_what_is_missed_and_shows_it(project: Path, tmp_path: Path) -> None:
    for number in range(2):
        good(tmp_path / "good" / f"part_{number}.png")
    refused = good(tmp_path / "good" / "refused.png", REFUSED)
    page, where = tmp_path / "missed.html", part(tmp_path / "where.png")
    done = drawn(project, tmp_path / "good", "--report", page, "--drawn-where", where, "--drawn-each", 3)
    assert done.returncode == 6, done.stderr
    rows = table(done.stdout)
    assert list(rows) == list(KINDS)
    for row in rows.values():
        assert row["drawn"] == "18"
        assert all(row[level.name].endswith("/6") for level in (*SIZES, *CONTRASTS))
    # 128 levels and 19 % of contrast or less are fewer than 40 levels
    assert rows["scratch"]["faint"] == rows["dent"]["faint"] == rows["smear"]["faint"] == "0/6"
    assert int(rows["missing_piece"]["strong"][0]) >= 4
    assert "3 pictures: 2 are OK as they are" in done.stderr
    assert f"left out, not OK without any defect: {refused}" in done.stderr
    counted = re.search(
        r"90 defects drawn: (\d+) found, (\d+) missed .*; of (\d+) that are marked, (\d+) at", done.stderr
    )
    assert counted is not None, done.stderr
    found, missed, marked, right = map(int, counted.groups())
    assert found + missed == 90
    assert found == marked == right > 5
    shown = page.read_text()
    assert shown.count('class="card drawn"') == missed
    assert shown.count("<polygon") >= 2 * missed
    assert "<script" not in shown
    assert "http" not in shown.replace("http-equiv", "")
    assert "refused.png" in shown


@pytest.mark.long
def test_a_seed_says_everything_and_what_is_saved_can_be_run_against_its_truth(project: Path, tmp_path: Path) -> None:
    picture = good(tmp_path / "part.png")
    options = ("--drawn-kinds", "spot,missing-piece", "--drawn-sizes", "10,20%", "--drawn-contrasts", "50")
    first, again = (
        drawn(project, picture, *options, "--drawn-seed", 3, "--drawn-save", tmp_path / name) for name in "ab"
    )
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == [
        *(f"part-{kind}-size{size}%-1.png" for kind in ("missing_piece", "spot") for size in (10, 20)),
        "truth.json",
    ]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert first.stdout == again.stdout
    assert first.returncode in {0, 6}
    before = decoded(picture.read_bytes()).astype(int)
    for name in names[:-1]:
        change = np.abs(decoded((tmp_path / "a" / name).read_bytes()) - before)
        assert 0 < np.count_nonzero(change.max(axis=2)) < 40 * 40
    truth: dict[str, Any] = json.loads((tmp_path / "a" / "truth.json").read_text())
    assert truth[names[0]] == {"result": False, "label": "missing_piece"}
    done = framemill("run", project, tmp_path / "a", "--against", tmp_path / "a" / "truth.json")
    rows = table(first.stdout)
    found = sum(int(row["drawn"]) - int(row["missed"]) for row in rows.values())
    assert f"really NOK   {4 - found:9}{found:10}{0:12}" in done.stdout
    assert done.returncode == (6 if found < 4 else 0)


def test_where_the_flow_says_where_the_place_counts(project: Path, tmp_path: Path) -> None:
    for mark in (UNMARKED, ELSEWHERE, HEAT):
        good(tmp_path / "good" / f"{mark}.png", mark)
    options = ("--drawn-kinds", "missing_piece", "--drawn-sizes", "15", "--drawn-contrasts", "60", "--drawn-each", 3)
    done = drawn(project, tmp_path / "good", *options, "--drawn-where", part(tmp_path / "where.png"))
    assert done.returncode == 0, done.stderr
    assert "9 found, 0 missed (100 % found); of 6 that are marked, 3 at their place" in done.stderr


@pytest.mark.long
def test_reduced_grey_frames_are_drawn_into_and_places_are_still_right(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", f"[frame]\ngrey = true\nreduce = 2\n{FLOW}", judge=JUDGE)
    picture, where = good(tmp_path / "part.png", shape=(240, 320)), tmp_path / "where.png"
    large = np.kron(decoded(part(where).read_bytes())[:, :, 0], np.ones((2, 2), np.uint8))
    where.write_bytes(png(large.astype(np.uint8)))
    options = ("--drawn-kinds", "missing_piece,spot", "--drawn-sizes", "20", "--drawn-contrasts", "80")
    done = drawn(project, picture, *options, "--drawn-where", where, "--drawn-each", 2)
    assert "4 found, 0 missed (100 % found); of 4 that are marked, 4 at their place" in done.stderr, done.stderr
    assert done.returncode == 0


@pytest.mark.long
def test_what_cannot_be_judged_or_drawn_into_is_said(project: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.png"
    small.write_bytes(png(np.full((12, 3, 3), (PLAIN,) * 3, np.uint8)))
    code = JUDGE.replace("mark == 60", "strange.any()")
    raises = write_project(tmp_path / "p", FLOW, judge=code)
    picture, page = good(tmp_path / "part.png"), tmp_path / "page.html"
    options = ("--drawn-kinds", "missing_piece", "--drawn-sizes", "15", "--drawn-contrasts", "70")
    done = drawn(raises, picture, *options, "--report", page)
    assert (done.returncode, "; 1 more could not be judged" in done.stderr) == (1, True), done.stderr
    assert "too odd" in page.read_text()
    plain = write_project(tmp_path / "q", FLOW, judge="def main(context): pass\n")
    done = drawn(plain, small, picture, *options)
    assert f"nothing is drawn into {small}: image has 3 x 12 px, expected at least 4 on either side" in done.stderr
    assert (done.returncode, table(done.stdout)["missing_piece"]["drawn"]) == (1, "1")
    done = drawn(project, good(tmp_path / "bad.png", REFUSED))
    assert (done.returncode, "none of these pictures is OK as it is" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("--drawn-defects", "--drawn-kinds", "rust"), 2, "'rust' is unknown; known are scratch, spot,"),
        (("--drawn-defects", "--drawn-sizes", "0"), 2, "more than 0 and at most 100"),
        (("--drawn-defects", "--drawn-contrasts", "faint"), 2, "no numbers, expected percents between commas"),
        (("--drawn-defects", "--csv", "a.csv"), 2, "run what was saved"),
        (("--drawn-seed", "1"), 2, "--drawn-seed goes with --drawn-defects"),
        (("--drawn-defects", "--drawn-where", "nowhere.png"), 3, "nowhere.png: it cannot be read"),
    ],
)
def test_what_is_asked_for_wrongly_is_a_clear_error(
    project: Path, tmp_path: Path, arguments: tuple[str, ...], status: int, says: str
) -> None:
    status_then, said = wrongly(project, good(tmp_path / "part.png"), *arguments)
    assert (status_then, says in said) == (status, True), said


def test_the_picture_of_the_part_has_the_size_of_the_others(project: Path, tmp_path: Path) -> None:
    where = part(tmp_path / "where.png")
    drawing = Drawing(load_project(project), PoolSettings(), where)
    wishes = [(Wish("spot", 1, 0.1, 0.5), tmp_path / "drawn.png")]
    assert len(drawing.into(good(tmp_path / "part.png"), wishes)) == 1
    with pytest.raises(CannotDraw, match=rf"it has 80 x 60 px, and {where} has 160 x 120 px: expected the same"):
        drawing.into(good(tmp_path / "part.png", shape=(60, 80, 3)), wishes)


def test_deep_frames_and_a_black_part_are_refused_with_the_reason(project: Path, tmp_path: Path) -> None:
    deep = write_project(tmp_path / "p", f"[frame]\ndepth = 16\n{FLOW}", judge="def main(context): pass\n")
    status, said = wrongly(deep, good(tmp_path / "part.png"), "--drawn-defects")
    assert (status, "this project wants 16 ([frame] depth)" in said) == (3, True), said
    black: Picture = np.zeros((120, 160), np.uint8)
    (tmp_path / "where.png").write_bytes(png(black))
    status, said = wrongly(project, tmp_path / "part.png", "--drawn-defects", "--drawn-where", tmp_path / "where.png")
    assert (status, "where.png is black everywhere" in said) == (3, True), said
