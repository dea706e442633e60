"""Kept pictures, whoever is killed, whatever the disk says: none is lost in silence, old ones make room."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from service.history.pictures.rows import WAITING
from service.history.places.place import sqlite_in
from tests.history.kept import rows
from tests.pictures_kept.pictured import RECORD, folder_of, get, settled, told
from tests.results.served import post, project_in
from tests.support.faults import RECORDER, program_of, until
from tests.support.running import command, serving


@pytest.mark.long
def test_a_recorder_that_is_killed_loses_no_picture_in_silence(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    with serving(project, *RECORD, "--pictures", "all") as server:
        until(lambda: server.status()["history"]["state"] == "recording")
        sent = []
        for _ in range(3):
            sent += [post(server).json()["id"] for _ in range(30)]
            os.kill(program_of(server, RECORDER), signal.SIGKILL)
            sent += [post(server).json()["id"] for _ in range(10)]
        path = sqlite_in(project / ".framemill")
        known = f"SELECT count(*) FROM pictures WHERE lost IS NULL OR lost <> '{WAITING}'"
        until(lambda: rows(path, known) == [(len(sent),)])
        files = {str(one.relative_to(folder_of(server))) for one in folder_of(server).rglob("*.jpg")}
        assert files == {row[0] for row in rows(path, "SELECT file FROM pictures WHERE file IS NOT NULL")}
        assert len(files) >= 30
        lost = {row[0] for row in rows(path, "SELECT DISTINCT lost FROM pictures WHERE file IS NULL")}
        assert WAITING not in lost
        assert told(server)["lost"] >= len(sent) - len(files) - 40
        (folder_of(server) / "2026-01-01").mkdir()
        (folder_of(server) / "2026-01-01" / "mine.txt").touch()
        part = folder_of(server) / "2026-01-01" / ".18ec461ee0073d3d0d.jpg.1"
        part.touch()
        os.utime(part, (0, 0))
        os.kill(program_of(server, RECORDER), signal.SIGKILL)
        until(lambda: not part.exists())
        assert (folder_of(server) / "2026-01-01" / "mine.txt").exists()


@pytest.mark.long
def test_a_server_that_is_killed_says_what_became_of_its_pictures(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    options = (*RECORD, "--pictures", "all")
    with serving(project, *options) as server:
        ids = [post(server).json()["id"] for _ in range(5)]
        for one in ids:
            assert settled(server, one)["picture"]["kept"]
        files = sorted(folder_of(server).rglob("*.jpg"))
        server.process.kill()
        server.process.wait()
    path = sqlite_in(project / ".framemill")
    files[0].write_bytes(b"")  # as a loss of power leaves it
    with serving(project, *options) as server:
        until(lambda: rows(path, "SELECT count(*) FROM pictures WHERE file IS NULL") == [(1,)])
        answer = get(server, f"/api/v1/frames/{files[0].stem}/picture")
        assert "not whole" in answer.json()["detail"]
        assert told(server)["lost"] >= 1
        assert not files[0].exists()


@pytest.mark.long
def test_old_ones_make_room_and_ok_ones_first(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    noise = np.random.default_rng(2).integers(0, 255, (300, 300), np.uint8).tobytes()
    options = (*RECORD, "--pictures", "all", "--pictures-mib", "1", "--pictures-format", "png")
    with serving(project, *options) as server:
        size = {"width": "300", "height": "300"}
        sent = []
        for number in range(30):  # 90 kB each
            with server.client() as client:
                data = "nok" if number < 5 else ""
                answer = client.post("/analyze_raw_image", params={**size, "data": data}, content=noise)
            sent.append(answer.json()["id"])
            settled(server, sent[-1])
        until(lambda: told(server)["made_room"] > 15 and told(server)["bytes"] <= 1 << 20)
        kept = {path.stem for path in folder_of(server).rglob("*.png")}
        assert set(sent[:5]) < kept  # NOK, the oldest of all
        assert sent[-1] in kept
        assert sent[5] not in kept
        assert settled(server, sent[5])["picture"]["lost"] == "it made room for others"
        assert sum(path.stat().st_size for path in folder_of(server).rglob("*.png")) <= 1 << 20


@pytest.mark.long
def test_a_full_disk_stops_pictures_and_no_record_and_is_used_again(tmp_path: Path) -> None:
    disk = tmp_path / "pictures"
    project = project_in(tmp_path / "p")
    disk = project / ".framemill" / "history" / "pictures"
    disk.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "small", str(disk)], check=False).returncode:
        pytest.skip("only root can make a small file system")
    try:
        with serving(project, *RECORD, "--pictures", "all") as server:
            first = post(server).json()["id"]
            assert settled(server, first)["picture"]["kept"]
            fill = disk / "fill"
            with fill.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
                for _ in iter(lambda: file.write(bytes(4096)), 0):
                    pass
            ids = [post(server).json()["id"] for _ in range(5)]
            for one in ids:
                picture = settled(server, one)["picture"]
                assert not picture["kept"]
            assert told(server)["lost"] >= 5
            assert told(server)["trouble"]
            assert server.status()["history"]["state"] == "recording"
            fill.unlink()
            last = post(server).json()["id"]
            assert settled(server, last)["picture"]["kept"]
            assert not list(disk.rglob(".*"))
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_pictures_need_a_history(tmp_path: Path) -> None:
    done = command("check", project_in(tmp_path / "p", '[server]\npictures = "nok"'))
    assert done.returncode == 3
    assert 'pictures are part of the history: set record = "async", too' in done.stdout + done.stderr


@pytest.mark.long
def test_it_is_kept_where_answers_wait_for_their_records(tmp_path: Path) -> None:
    options = (*RECORD, "--record", "before_answer", "--pictures", "nok")
    with serving(project_in(tmp_path / "p"), *options) as server:
        until(lambda: server.status()["history"]["state"] == "recording")
        for number in range(5):
            nok = post(server, "nok", part=str(number)).json()["id"]
            assert settled(server, nok)["picture"]["kept"]
        assert told(server)["kept"] == 5
        assert told(server)["lost"] == 0
