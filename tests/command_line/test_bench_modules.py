"""`framemill bench --modules` as its users meet it: a table of where a frame's time goes; no figure is judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command_line.tried import CRASH, NOK, OK, RAISE, framemill, judge, picture
from tests.support.running import write_project

pytestmark = pytest.mark.long

FLOW = """
[[flow]]
module = "code"
file = "code/nap.py"
name = "slow one"
[[flow]]
module = "parallel"
branches = [[{ module = "brightness" }], [{ module = "code", file = "code/count.py" }]]
[[flow]]
module = "only_if"
expression = "data == 'part_1'"
[[flow]]
module = "brightness"
name = "behind"
"""
NAP = "import time\ndef main(context): time.sleep(0.004)\n"
COUNT = """
def main(context):
    context["globalData"]["frames"] = context["globalData"].get("frames", 0) + 1
"""


@pytest.fixture(name="project")
def project_with_branches(tmp_path: Path) -> Path:
    for number in (1, 2):
        picture(tmp_path / "parts" / f"part_{number}.png", OK)
    return write_project(tmp_path / "p", FLOW, nap=NAP, count=COUNT)


def test_a_table_says_what_each_module_took(project: Path, tmp_path: Path) -> None:
    done = framemill("bench", project, tmp_path / "parts", "--modules", "--data", "{stem}")
    assert (done.returncode, done.stderr) == (0, "")
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["id", "module", "frames", "median", "ms", "p95", "ms", "total", "ms", "share"]
    ours = ["slow one", "parallel", "brightness", "count", "only_if", "behind"]
    assert [row[6:20].strip() for row in rows] == ["decoding", *ours, "around", "answer", "all"]
    assert "  3    brightness" in done.stdout
    frames = [row[6 + 14 :].split()[0] for row in rows]
    assert frames == ["60", "60", "60", "60", "60", "60", "30", "60", "60", "60"]


def test_json_has_the_same_and_shares_add_up(project: Path, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    done = framemill("bench", project, parts / "part_1.png", "--modules", "--json", "--data", "{stem}")
    document = json.loads(done.stdout)
    by_name = {(part["id"], part["name"]): part for part in document["parts"]}
    modules = ["slow one", "parallel", "brightness", "count", "only_if", "behind"]
    assert [*by_name] == [(0, "decoding"), *enumerate(modules, 1), (0, "around"), (0, "answer")]
    assert document["frames"] == 60
    slow = by_name[1, "slow one"]
    assert slow["p95_ms"] >= slow["median_ms"] >= 4
    assert slow["total_ms"] >= 60 * 4
    assert sum(part["share"] for part in document["parts"] if not part["depth"]) == pytest.approx(1)
    assert by_name[2, "parallel"]["total_ms"] >= by_name[3, "brightness"]["total_ms"] + by_name[4, "count"]["total_ms"]
    assert document["version"]
    assert document["machine"]["cores"] >= 1


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        (RAISE, "the flow fails: too odd (code/judge.py, line "),
        (CRASH, "its process died of SIGSEGV in code/judge.py, line "),
    ],
)
def test_a_frame_that_cannot_be_inspected_ends_it(tmp_path: Path, mark: int, said: str) -> None:
    project = judge(tmp_path / "p")
    path = picture(tmp_path / "bad.png", mark)
    done = framemill("bench", project, path, "--modules")
    assert done.returncode == 1
    assert str(path) in done.stderr
    assert said in done.stderr
    assert done.stdout == ""


def test_a_nok_part_is_as_good_as_another_and_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    project = judge(tmp_path / "p")
    path = picture(tmp_path / "nok.png", NOK)
    assert framemill("bench", project, path, "--modules").returncode == 0
    assert "leave --as out" in framemill("bench", project, path, "--modules", "--as", "bayer").stderr
    (project / "code" / "judge.py").write_text("import nothing_of_that_name\ndef main(context): pass\n")
    done = framemill("bench", project, path, "--modules")
    assert done.returncode == 3
    assert "nothing_of_that_name" in done.stderr
