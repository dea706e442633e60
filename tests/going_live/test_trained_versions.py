"""A module that learned twice: what it has learned is a part of a version, to be taken over and to go back from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command_line.tried import framemill
from tests.going_live.proved import ask
from tests.support.faults import until
from tests.support.pictures import png
from tests.support.running import serving
from tests.support.taught import good_folder, plate, untaught_project
from tests.support.versions import Line, under_load

STAINED = png(plate(500, spot=True))


def teach(project: Path, good: Path) -> bytes:
    """Teach it anew; returns its file."""
    report = ("--report", project.with_suffix(".html"))
    done = framemill("train", project, good, "--method", "filters", *report)
    assert done.returncode == 0, done.stderr
    return (project / "models" / "surface.npz").read_bytes()


def further(line: Line) -> None:
    """Wait for some more answers."""
    had = len(line.answers)
    until(lambda: len(line.answers) > had + 10)


@pytest.mark.long
def test_going_back_under_load_brings_the_old_scores_back_to_the_bit(tmp_path: Path) -> None:
    project = untaught_project(tmp_path / "p")
    first_file = teach(project, good_folder(tmp_path / "good", count=8))
    server_options = ("--state-dir", str(tmp_path / "state"), "--workers", "2")
    with serving(project, *server_options) as server:
        first = server.status()["flowVersion"]
        with under_load(server, cameras=2, path="/analyze_image?", frame=STAINED) as line:
            further(line)
            assert teach(project, good_folder(tmp_path / "other", count=8, first=1000)) != first_file
            assert server.status()["projectOnDisk"] == "differs"
            second = ask(server).json()["flowVersion"]
            assert second != first
            further(line)
            answer = ask(server, "rollback")
            assert (answer.status_code, answer.json()["flowVersion"]) == (200, first)
            further(line)
        assert server.status()["workers"]["deaths"] == 0
    scores: dict[str, set[float]] = {}
    for context in line.contexts:
        assert context["result"] is False
        assert context["error"] is False
        scores.setdefault(context["flowVersion"], set()).add(context["score"])
    assert scores.keys() == {first, second}
    (of_first,), (of_second,) = scores[first], scores[second]  # before and after are the same
    assert of_first != of_second
    for seen in line.by_camera.values():
        assert (seen[0], seen[-1]) == (first, first)
        assert second in seen
