"""`framemill train` as its users meet it: real processes, small plates, a project that knows them afterwards."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from service.cli.command_line import main
from tests.command_line.tried import children_of, command
from tests.support.faults import until
from tests.support.running import CHECKOUT
from tests.support.taught import FLOW, good_folder, untaught_project
from tests.training import odd_method
from workers.modules.anomaly.learned_file import About, read_learned
from workers.modules.anomaly.methods import METHODS
from workers.teaching.teaching import teach

pytestmark = pytest.mark.long

LEARNED = "models/surface.npz"


@pytest.fixture(scope="module", autouse=True)
def simple_filters() -> Iterator[None]:
    """A method that learns in no time, in the place of one that takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, "filters", odd_method.__name__)
        yield


def train(project: Path, *arguments: object, status: int = 0) -> Result:
    """Teach with the simple method; the page lies beside the project."""
    method = () if "--more" in arguments or "--method" in arguments else ("--method", "filters")
    given = ["train", project, *arguments, *method, "--report", project.with_suffix(".html")]
    done = CliRunner().invoke(main, [str(each) for each in given])
    assert done.exit_code == status, done.output
    return done


def about(project: Path) -> About:
    """What the file says of itself."""
    return read_learned(project / LEARNED, LEARNED)[0]


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory, simple_filters: None) -> tuple[Path, Result]:
    """A project that was taught, and what was said."""
    del simple_filters
    folder = tmp_path_factory.mktemp("taught")
    project = untaught_project(folder / "p")
    return project, train(project, good_folder(folder / "good"))


Taught = tuple[Path, Result]


def test_it_says_what_it_has_learned_and_what_to_do_next(taught: Taught) -> None:
    project, done = taught
    said = done.stdout
    assert "surface: 16 good pictures learned by filters, which was asked for\n" in said
    assert re.search(r"of 16 held-out good pictures \d would be NOK \(.*%\), 1% was asked for; the true share", said)
    assert "1000 good pictures would show it" in said
    assert re.search(r"drawn defects found: \d+ of \d+ \(", said)
    assert re.search(r"[\d.]+ ms a picture on one core, \d+ MiB a process; models/surface.npz: ", said)
    assert f"try it:    framemill run {project} " in said
    assert "framemill reload" in said
    assert done.stderr == ""
    learned = about(project)
    assert (learned.method, learned.image_px, learned.channels, learned.seed) == ("filters", (128, 96), 1, 0)
    assert len(learned.good) == len({*learned.good}) == len(learned.held_out) == 16
    assert len(learned.drawn) >= 16
    assert sorted(path.name for path in (project / "models").iterdir()) == ["surface.npz"]


def test_the_page_needs_nothing_from_elsewhere_and_shows_everything(taught: Taught) -> None:
    project, _ = taught
    page = project.with_suffix(".html").read_text()
    assert "default-src 'none'" in page
    assert re.findall(r"(?:src|href)=\"(?!data:|#)[^\"]*", page) == []
    assert "<script" not in page
    for words in (
        "NOK from here",
        "Drawn defects by kind",
        "scratch",
        "missing piece",
        "Good pictures with the highest",
    ):
        assert words in page
    assert page.count("data:image/jpeg;base64,") >= 16
    assert "framemill run" in page


def test_the_same_seed_learns_the_same_however_many_processes_there_are(taught: Taught, tmp_path: Path) -> None:
    project, _ = taught
    again = untaught_project(tmp_path / "p")
    train(again, project.parent / "good", "--workers", 1)
    assert (again / LEARNED).read_bytes() == (project / LEARNED).read_bytes()


def test_more_pictures_do_not_begin_anew(taught: Taught, tmp_path: Path) -> None:
    before = about(taught[0])
    project = untaught_project(tmp_path / "p")
    (project / "models").mkdir()
    (project / LEARNED).write_bytes((taught[0] / LEARNED).read_bytes())
    more = good_folder(tmp_path / "more", count=6, first=12)  # four of them it knows
    (more / "again.png").write_bytes((more / "016.png").read_bytes())
    done = train(project, more, "--more")
    assert "of 7 pictures 1 have the content of another and 4 were learned before" in done.stderr
    after = about(project)
    assert after.good[:16] == before.good
    assert len(after.good) == len({*after.good}) == 18
    assert after.held_out[:16] == before.held_out
    assert len(after.held_out) == 18
    content = (project / LEARNED).read_bytes()
    assert "has learned all of these pictures already; nothing has changed" in train(project, more, "--more").stdout
    assert (project / LEARNED).read_bytes() == content
    done = train(project, more, "--more", "--method", "neighbours", status=2)
    assert "--more goes on with filters" in done.stderr


def test_what_cannot_be_learned_from_is_said_and_too_little_is_refused(tmp_path: Path) -> None:
    project = untaught_project(tmp_path / "p")
    good = good_folder(tmp_path / "good", count=7)
    (good / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (good / "notes.txt").write_text("none")
    done = train(project, good, status=1)
    assert "framemill: 7 of 8 pictures can be learned from; expected 8 at least" in done.stderr
    assert "left out, " in done.stderr
    assert "broken.png" in done.stderr
    assert "passed over, no image by its name: notes.txt" in done.stderr
    assert not (project / "models").exists()


def test_wrong_use_and_projects_with_mistakes_have_their_own_status(tmp_path: Path) -> None:
    good = good_folder(tmp_path / "good", count=1)
    project = untaught_project(tmp_path / "p")
    other = FLOW.partition("[[flow]]")[1] + FLOW.partition("[[flow]]")[2].replace("surface", "other")
    two = untaught_project(tmp_path / "two", FLOW + other)
    (tmp_path / "b.onnx").write_bytes(b"")
    inside = ["train", project, good, "--report", project / "r.html"]
    wrong: list[tuple[list[object], int, str]] = [
        (["train", tmp_path / "gone", good], 3, "there is no such folder"),
        (["train", untaught_project(tmp_path / "typo", FLOW + "fiel = 1"), good], 3, "flow[0].fiel: is unknown"),
        (["train", untaught_project(tmp_path / "none", ""), good], 2, "no module that learns: add a table [[flow]]"),
        (["train", two, good], 2, "several modules that learn, 'surface', 'other': name one of them with --module"),
        (["train", two, good, "--module", "x"], 2, "no anomaly is called 'x'; there are 'surface', 'other'"),
        (["train", project, good, "--more"], 3, "models/surface.npz is not there: nothing was learned yet"),
        (["train", project, good, "--false-alarms", "0"], 2, "0.0 is not in the range 0<x<=0.5"),
        (["train", project, good, "--method", "filters", "--backbone", tmp_path / "b.onnx"], 2, "looks through none"),
        (["train", project, good, "--backbone", tmp_path / "b.onnx"], 2, "--backbone: b.onnx cannot be loaded by"),
        (["train", project, good, "--report", tmp_path / "no" / "r.html"], 2, "--report: there is no folder"),
        (inside, 2, "r.html lies in the project, of whose version it would be a part"),
        (["train", project, tmp_path / "no"], 1, "no does not exist"),
    ]
    for arguments, status, why in wrong:
        done = CliRunner().invoke(main, [str(each) for each in arguments])
        assert (done.exit_code, why in " ".join(done.stderr.split())) == (status, True), done.output


def test_where_the_file_cannot_be_written_the_project_stays_as_it_was(tmp_path: Path) -> None:
    project = untaught_project(tmp_path / "p")
    (project / "models").write_text("in the way")
    done = train(project, good_folder(tmp_path / "good", count=8), status=1)
    assert "models" in done.stderr
    assert (project / "models").read_text() == "in the way"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_it_leaves_nothing(tmp_path: Path, number: signal.Signals, status: int) -> None:
    project = untaught_project(tmp_path / "p")
    (tmp_path / "temporary").mkdir()
    with subprocess.Popen(
        command("train", project, good_folder(tmp_path / "good", count=24), "--method", "filters"),
        cwd=CHECKOUT,
        env={"TMPDIR": str(tmp_path / "temporary"), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        until(lambda: [*(tmp_path / "temporary").glob("framemill-train-*/pictures/lesson-*")])
        children = until(lambda: children_of(process.pid))
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == status, said
    assert "Traceback" not in said
    assert [*(tmp_path / "temporary").iterdir()] == []
    assert not (project / "models").exists()
    until(lambda: not any(_lives(pid) for pid in children))


def _lives(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_where_the_disk_is_full_it_is_said_where_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = untaught_project(tmp_path / "p")
    monkeypatch.setattr("workers.modules.anomaly.learned_file.os.fsync", lambda _fd: os.write(_full(), b"1"))
    done = train(project, good_folder(tmp_path / "good", count=8), status=1)
    assert f"{project / LEARNED}: No space left on device" in done.stderr
    assert not (project / "models").exists()


def test_a_project_that_is_removed_meanwhile_does_not_come_back_as_half_of_one(
    taught: Taught, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = untaught_project(tmp_path / "p")

    def removing(*given: Any) -> Any:
        shutil.rmtree(project)
        return teach(*given)

    monkeypatch.setattr("service.taught.training.teach", removing)
    done = train(project, taught[0].parent / "good", status=1)
    assert f"{project}: the project's folder is gone" in done.stderr
    assert not project.exists()


def _full() -> int:
    return os.open("/dev/full", os.O_WRONLY | os.O_CLOEXEC)


def test_two_do_not_teach_a_project_at_once(taught: Taught, tmp_path: Path) -> None:
    project = untaught_project(tmp_path / "p")
    folder = os.open(project, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        done = train(project, taught[0].parent / "good", status=1)
    finally:
        os.close(folder)
    assert (
        done.stderr == "framemill: another framemill train teaches the project p just now; try again when it is done\n"
    )
    assert not (project / "models").exists()


def test_a_method_that_fails_is_told_in_a_line(tmp_path: Path) -> None:
    project = untaught_project(tmp_path / "p")
    done = train(project, good_folder(tmp_path / "good", count=8), "--seed", odd_method.RAISES, status=1)
    assert done.stderr == "framemill: ValueError: these pictures are too odd\n"
    assert not (project / "models").exists()
