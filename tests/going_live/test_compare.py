"""`framemill compare` and `framemill prove`: what changes, in a table, as JSON, in a page, and by the exit status."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from service.compared.comparing import Compared, Pair
from service.tryout.row import Row
from tests.command_line.tried import EXIT, JUDGE, NOK, OK, RAISE
from tests.going_live.proved import edition, part, proved_project
from tests.support.running import CHECKOUT, write_project

pytestmark = pytest.mark.long

FLOW = '[[flow]]\nmodule = "code"\nfile = "code/judge.py"\n'


def framemill(*arguments: object, folder: Path = CHECKOUT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service.cli", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "FRAMEMILL_WORKERS": "2"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.fixture(name="sides", scope="module")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """OLD, NEW and pictures: NEW lets 20 pass, finds another label, and another gap."""
    folder = tmp_path_factory.mktemp("compare")
    old = write_project(folder / "old", FLOW, judge=JUDGE)
    code = JUDGE.replace("mark == 10", "mark in (10, 20)").replace('"scratch"', '"dent"')
    new = write_project(folder / "new", FLOW, judge=code.replace("mark / 10,", "mark / 5,"))
    pictures = folder / "pictures"
    pictures.mkdir()
    for name, mark in {"a_good": OK, "b_bad": NOK, "c_exit": EXIT, "d_raise": RAISE, "e <b>": NOK}.items():
        (pictures / f"{name}.png").write_bytes(part(mark))
    return old, new, pictures


def test_each_verdict_that_changes_is_told_with_what_differs(sides: tuple[Path, Path, Path], tmp_path: Path) -> None:
    done = framemill("compare", *sides, folder=tmp_path)
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["NOK -> OK", "NOK -> OK"]
    assert re.search(r"b_bad\.png  found: scratch 1 -> 0; found: dent 0 -> 1; gap\.value 2 -> 4$", lines[0]), lines[0]
    assert done.stderr.splitlines()[0] == "5 frames: 2 verdicts change (2 NOK -> OK)"
    html = (tmp_path / "compare.html").read_text()
    assert html.count("data:image/jpeg;base64,") == 4
    assert "e &lt;b&gt;.png" in html
    assert "<b>.png" not in html
    assert "<script" not in html
    assert not re.search(r'(src|href)="(?!data:|#)', html)


def test_scripts_get_json_and_no_page(sides: tuple[Path, Path, Path], tmp_path: Path) -> None:
    done = framemill("compare", *sides, "--json", folder=tmp_path)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert (found["frames"], len(found["changed"]), found["foundOtherwise"]) == (5, 2, [])
    first = found["changed"][0]
    assert (first["old"]["verdict"], first["new"]["verdict"]) == ("NOK", "OK")
    assert {"what": "gap.value", "old": "2", "new": "4"} in first["differences"]
    assert re.fullmatch("[0-9a-f]{16}", found["old"]["version"])
    assert not [*tmp_path.iterdir()]


def test_the_same_twice_changes_nothing(sides: tuple[Path, Path, Path], tmp_path: Path) -> None:
    old, _, pictures = sides
    done = framemill("compare", old, old, pictures, folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines()[-1] == "5 frames: no verdict changes"
    assert not [*tmp_path.iterdir()]


def test_mistakes_are_told_with_status_2(sides: tuple[Path, Path, Path], tmp_path: Path) -> None:
    old, _, pictures = sides
    broken = write_project(tmp_path / "broken", FLOW + "file_of = 1\n", judge=JUDGE)
    for arguments, said in (
        ((old, broken, pictures), "flow[0].file_of: is unknown"),
        ((old, tmp_path / "away", pictures), "there is no such folder"),
        ((old, old, tmp_path / "broken"), "has no images in it"),
        ((old, old), "Missing argument 'FRAMES...'"),
        ((old, sides[1], pictures, "--report", tmp_path / "no" / "page.html"), "cannot be written: No such file"),
    ):
        done = framemill("compare", *arguments, folder=tmp_path)
        assert done.returncode == 2, (arguments, done.stderr)
        assert said in done.stderr


def _row(verdict: str, **more: object) -> Row:
    return Row(Path("p.png"), verdict, **more)  # type: ignore[arg-type]


def test_what_counts_as_a_difference() -> None:
    old = [_row("OK", labels=("a",), found=1), _row("OK", score=0.1), _row("ERROR", notes=("x",)), _row("NOK")]
    new = [_row("OK", labels=("b",), found=1), _row("OK", score=0.2), _row("ERROR", notes=("x",)), _row("ERROR")]
    compared = Compared.of(old, new)
    assert [pair.how for pair in compared.changed] == ["NOK -> ERROR"]
    assert [pair.new for pair in compared.otherwise] == [new[0]]  # another score alone is none
    assert (
        compared.words()
        == "4 frames: 1 verdict changes (1 NOK -> ERROR); 1 more find something else, with the same verdict"
    )
    values = Pair(
        _row("NOK", values={"x": 1.0, "flag": True}), _row("OK", values={"x": 1.0 + 1e-12, "flag": False, "y": 2})
    )
    assert [each.words for each in values.differences] == ["flag false -> true", "y 2 -> none"]


def test_a_proof_is_tried_without_a_server(tmp_path: Path) -> None:
    project = proved_project(tmp_path / "p")
    done = framemill("prove", project)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["right  proof[0] (proof/good.png)", "right  proof[1] (proof/bad.png)"]
    (project / "code" / "judge.py").write_text(edition(2).replace("mark == 10", "mark == 20"))
    page = tmp_path / "wrong.html"
    done = framemill("prove", project, "--report", page)
    assert done.returncode == 6
    assert done.stdout.splitlines() == [
        "WRONG  proof[0] (proof/good.png): is NOK, expected OK",
        "WRONG  proof[1] (proof/bad.png): is OK, expected NOK",
    ]
    assert page.read_text().count("data:image/jpeg;base64,") == 2
    (project / "proof" / "good.png").unlink()
    assert framemill("prove", project).returncode == 3
    assert "proof[0].frame: proof/good.png does not exist" in framemill("check", project).stderr


def test_a_project_without_a_proof_is_told_so(tmp_path: Path) -> None:
    done = framemill("prove", write_project(tmp_path / "p", FLOW, judge=JUDGE))
    assert (done.returncode, done.stdout) == (0, "")
    assert "the project has no [[proof]]" in done.stderr
