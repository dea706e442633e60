"""The example project of three cameras: each view is judged as it was drawn, and the command makes parts of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from bench.draw_sleeve import SAMPLES, VIEWS, sample, write_frame
from service.cli.command_line import main
from service.results.follow import Follower, Start
from tests.support.faults import until
from tests.support.running import CHECKOUT, Server, command, serving
from workers.flow.project import load_project
from workers.programs.trying import TriedProject

PROJECT = CHECKOUT / "deploy" / "projects" / "sleeve"
_WRONG = {"nok_bore": {"top"}, "nok_nick": {"left"}, "nok_short": {"left", "right"}}


@pytest.fixture(name="state_dir", scope="module")
def one_state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sleeve")


@pytest.fixture(name="server", scope="module")
def one_server(state_dir: Path) -> Iterator[Server]:
    with serving(PROJECT, "--state-dir", str(state_dir)) as running:
        yield running


@pytest.fixture(scope="module")
def project() -> TriedProject:
    return TriedProject(PROJECT)


@pytest.mark.parametrize("name", SAMPLES)
def test_views_are_judged_as_they_were_drawn(project: TriedProject, name: str) -> None:
    wrong = set()
    for view in VIEWS:
        context, _ = project.inspect(PROJECT / "samples" / name / f"{view}.jpg", view=view)
        assert not context["error"]
        assert ("bore" in context["measures"]) == (view == "top")
        if not context["result"]:
            wrong.add(view)
    assert wrong == _WRONG.get(name, set())


def test_its_proof_holds_and_says_both_of_each_kind_of_view() -> None:
    said = {(proof.options.view, proof.options.result) for proof in load_project(PROJECT).proofs}
    assert said == {(view, result) for view in ("top", "left") for result in (True, False)}
    done = CliRunner().invoke(main, ["prove", str(PROJECT)])
    assert done.exit_code == 0, done.output


def test_there_are_the_frames_that_are_drawn_and_no_others(tmp_path: Path) -> None:
    found = sorted(str(path.relative_to(PROJECT / "samples")) for path in PROJECT.rglob("*.jpg"))
    assert found == sorted(f"{name}/{view}.jpg" for name in SAMPLES for view in VIEWS)
    write_frame(tmp_path / "redrawn.jpg", sample("nok_nick", "left"))
    one, other = (
        cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        for path in (tmp_path / "redrawn.jpg", PROJECT / "samples" / "nok_nick" / "left.jpg")
    )
    assert one is not None
    assert other is not None
    assert np.abs(one.astype(int) - other).max() <= 8


def test_the_line_of_its_readme_makes_parts_of_views(server: Server) -> None:
    folders = sorted((PROJECT / "samples").iterdir())
    naming = ("--part", "{folder}", "--view", "{stem}", "--url", server.url)
    done = command("send", *folders, *naming)
    assert done.returncode == 6, done.stderr
    told = [line for line in done.stdout.splitlines() if "  part " in line]
    assert [line.split()[0] for line in told] == ["NOK", "NOK", "NOK", "OK", "OK"]
    assert told[0] == "NOK    part nok_bore  top NOK, left OK, right OK"
    assert "15 frames: 11 OK, 4 NOK; 5 parts: 2 OK, 3 NOK" in done.stderr
    good = command("send", PROJECT / "samples" / "ok_1", *naming)
    assert (good.returncode, good.stdout.splitlines()[-1]) == (0, "OK     part ok_1  top OK, left OK, right OK")


def test_a_view_that_was_sent_twice_is_an_error_of_the_part_and_of_the_command(server: Server) -> None:
    folder = PROJECT / "samples" / "ok_1"
    files = [folder / f"{view}.jpg" for view in ("top", "top", "left", "right")]
    done = command("send", *files, "--part", "twice", "--view", "{stem}", "--url", server.url)
    assert done.returncode == 1
    assert "ERROR  part twice  twice  top TWICE, left OK, right OK" in done.stdout


def test_what_is_said_of_a_file_comes_with_its_frame(server: Server, state_dir: Path) -> None:
    picture = PROJECT / "samples" / "ok_1" / "top.jpg"
    said = ("--data", "{folder}/{stem}", "--camera", "top", "--part", "of one view", "--url", server.url)
    with Follower.of(state_dir, "test", Start.NOW) as follower:
        assert command("send", picture, *said).returncode == 0
        until(lambda: follower.behind > 0)
        document = next(iter(follower.read())).document()
    assert [document[key] for key in ("data", "camera", "part")] == ["ok_1/top", "top", "of one view"]
