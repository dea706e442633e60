"""Frames that ended two workers are kept: where they belong, for nobody else to read, and no more than sixteen."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest

from service.analysis.quarantine import Quarantine
from tests.support.faults import FRAME, faulty, post
from tests.support.running import serving
from workers.pool.job import Encoding, Job
from workers.programs.replay import Asked

JOB = Job(encoding=Encoding.RAW, width=16, height=16, pixel_format="Mono8", view="top", inputs=b'{"recipe":"\xc3\xa9"}')


def _keep(folder: Path) -> None:
    Quarantine(folder).keep(JOB, memoryview(FRAME))


def test_a_kept_frame_is_for_the_servers_own_user(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "quarantine"
    _keep(folder)
    assert sorted(path.suffix for path in folder.iterdir()) == [".frame", ".json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_was_asked_can_be_asked_again(tmp_path: Path) -> None:
    _keep(tmp_path)
    (asked,) = tmp_path.glob("*.json")
    assert Asked.model_validate_json(asked.read_bytes()).job() == JOB


def test_a_link_in_place_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    project = faulty(tmp_path / "p")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (project / ".framemill").mkdir()
    (project / ".framemill" / "quarantine").symlink_to(elsewhere)
    with serving(project) as server:
        assert post(server, "kill").json()["code"] == "worker_crashed"
    assert list(elsewhere.iterdir()) == []
    assert any("could not be kept" in line for line in server.log)


@pytest.mark.parametrize("ending", ["frame", "json"])
@pytest.mark.parametrize("target", ["precious", "not-there-yet"])
def test_a_link_in_place_of_a_file_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, target: str
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 17)
    (tmp_path / "precious").write_text("precious")
    folder = tmp_path / "quarantine"
    folder.mkdir()
    (folder / f"17.{ending}").symlink_to(tmp_path / target)
    _keep(folder)
    assert (tmp_path / "precious").read_text() == "precious"
    assert not (tmp_path / "not-there-yet").exists()


def test_the_newest_sixteen_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "10.frame").touch()  # what a full disk left of one
    (tmp_path / "notes.txt").touch()
    for now in range(11, 41):
        monkeypatch.setattr(time, "time_ns", lambda now=now: now)
        _keep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "notes.txt",
        *(f"{now}.{ending}" for now in range(25, 41) for ending in ("frame", "json")),
    }
