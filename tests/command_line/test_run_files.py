"""What `framemill run` is told with frames, and what it leaves: pictures, a table, contexts."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from tests.command_line.tried import FLOW, NOK, OK, framemill, judge, picture
from tests.support.pictures import decoded
from tests.support.running import write_project
from workers.pool.job import MAX_DATA_BYTES

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return judge(tmp_path_factory.mktemp("judge"))


def test_it_leaves_pictures_a_table_and_contexts(project: Path, tmp_path: Path) -> None:
    for place in ("one", "two"):
        picture(tmp_path / place / "part.png", NOK)
    out = tmp_path / "out"
    out.mkdir()
    picture(tmp_path / "one" / "good.png", OK)
    done = framemill(
        *("run", project, tmp_path / "one", tmp_path / "two", "--annotated", out / "seen"),
        *("--csv", out / "a.csv", "--jsonl", out / "a.jsonl", "--data", "M4"),
    )
    assert done.returncode == 6, done.stderr
    seen = {path.name: decoded(path.read_bytes()) for path in (out / "seen").iterdir()}
    assert sorted(seen) == ["good.png", "part.png", "part.png.png"]
    assert (seen["part.png"] != seen["good.png"])[1:].any(), "the rectangle is not drawn"
    with (out / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(Path(row["file"]).name, row["verdict"], row["mark"], row["gap.value"]) for row in rows] == [
        ("good.png", "OK", "10", "1.0"),
        ("part.png", "NOK", "20", "2.0"),
        ("part.png", "NOK", "20", "2.0"),
    ]
    assert rows[1]["labels"] == "scratch"
    lines = [json.loads(line) for line in (out / "a.jsonl").read_text().splitlines()]
    assert [line["verdict"] for line in lines] == ["OK", "NOK", "NOK"]
    assert lines[1]["context"]["detectedRectangles"][0]["classNames"][0]["label"] == "scratch"


def test_a_shape_that_code_makes_is_the_one_in_the_annotated_picture(tmp_path: Path) -> None:
    code = "def main(context):\n    context['image'] = context['image'][:20, :30]\n"
    project = write_project(tmp_path / "p", FLOW, judge=code)
    framemill("run", project, picture(tmp_path / "part.png", OK), "--annotated", tmp_path / "seen")
    assert decoded((tmp_path / "seen" / "part.png").read_bytes()).shape == (20, 30, 3)
    assert np.all(decoded((tmp_path / "seen" / "part.png").read_bytes())[1:] == 128)


def test_names_that_are_no_utf8_are_shown_as_escapes(project: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(b"part\xff.png")
    picture(tmp_path / "parts" / odd, NOK)
    done = framemill(
        *("run", project, tmp_path / "parts", "--annotated", tmp_path / "seen"),
        *("--csv", tmp_path / "a.csv", "--jsonl", tmp_path / "a.jsonl"),
    )
    assert done.returncode == 6, done.stderr
    assert "part\\udcff.png" in done.stdout
    assert "part\\udcff.png" in (tmp_path / "a.csv").read_text()
    assert json.loads((tmp_path / "a.jsonl").read_text())["file"].endswith("part\\udcff.png")
    assert (tmp_path / "seen" / odd).is_file()
    for option, value in (("--data", "\udcff"), ("--annotated", tmp_path / "\udcff")):
        done = framemill("run", project, tmp_path / "parts", option, value)
        assert (done.returncode, "is not UTF-8" in done.stderr) == (2, True)


def test_a_disk_that_is_full_is_a_clear_error(project: Path, tmp_path: Path) -> None:
    for option in ("--jsonl", "--csv"):
        done = framemill("run", project, picture(tmp_path / "part.png", OK), option, "/dev/full")
        assert (done.returncode, "/dev/full cannot be written: No space left" in done.stderr) == (1, True)
        assert "Traceback" not in done.stderr


def test_data_may_be_of_the_file(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", FLOW, judge="def main(context):\n    context['told'] = context['data']\n")
    for folder in ("M4", "M5"):
        picture(tmp_path / folder / "šroub 1.png", OK)
    framemill(
        *("run", project, tmp_path / "M4", tmp_path / "M5", "--data", '{folder}/{stem} {"a": 1}'),
        *("--csv", tmp_path / "a.csv"),
    )
    with (tmp_path / "a.csv").open(newline="") as file:
        assert [row["told"] for row in csv.DictReader(file)] == ['M4/šroub 1 {"a": 1}', 'M5/šroub 1 {"a": 1}']


def test_data_may_be_as_long_as_a_client_may_send_it(tmp_path: Path) -> None:
    code = "def main(context):\n    context['told'] = context['data']\n    context['long'] = len(context['data'])\n"
    project = write_project(tmp_path / "p", f"{FLOW}[server]\nworkers = 1\n", judge=code)
    for number in range(20):
        picture(tmp_path / "parts" / f"{number}.png", OK)
    # contexts and frames are more than both pipes of the process hold
    done = framemill("run", project, tmp_path / "parts", "--data", "x" * MAX_DATA_BYTES, "--csv", tmp_path / "a.csv")
    assert done.returncode == 0
    with (tmp_path / "a.csv").open(newline="") as file:
        assert [row["long"] for row in csv.DictReader(file)] == [str(MAX_DATA_BYTES)] * 20
    done = framemill("run", project, tmp_path / "parts", "--data", "x" * (MAX_DATA_BYTES + 1))
    assert done.returncode == 3  # said once, before the run
    assert f"at most {MAX_DATA_BYTES} are accepted" in done.stderr
    assert not done.stdout
