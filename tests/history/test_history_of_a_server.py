"""A real server: what became of each frame is in its history, whoever is killed, locked out, or out of disk."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from service.history.database import sqlite_in
from tests.history.kept import parts, printed, rows
from tests.results.served import FRAME, post, project_in
from tests.succession.upgrades import line_of_servers
from tests.support.faults import RECORDER, program_of, until
from tests.support.running import Server, command, serving

pytestmark = pytest.mark.long

RECORD = ("--workers", "1", "--record", "async")


@pytest.fixture(name="server", scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(project_in(tmp_path_factory.mktemp("history") / "p"), *RECORD) as running:
        yield running


def _path(server: Server) -> Path:
    return sqlite_in(server.project / ".framemill")


def _history(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.status()["history"]
    return found


def _fill(path: Path) -> None:
    """Leave no room beside this file."""
    fill = os.open(path, os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match="No space"):
        for _ in iter(lambda: os.write(fill, bytes(512)), 0):
            pass
    os.close(fill)


def _await_recorder(server: Server) -> None:
    until(lambda: _history(server)["state"] == "recording")


def test_every_status_has_its_record(server: Server) -> None:
    with server.client() as client:
        answers = [post(server, data) for data in ("nok", "", "raise", "kill", "large")]
        answers.append(post(server, path="/analyze_raw_image?width=1&height=1"))
        client.put("/api/v1/process", json={"process": False}).raise_for_status()
        answers.append(post(server, "off"))
        client.put("/api/v1/process", json={"process": True}).raise_for_status()
    until(lambda: _history(server).get("recorded") == len(answers))
    told = printed(server)[::-1]
    assert [one["status"] for one in told] == [answer.status_code for answer in answers]
    assert [one["verdict"] for one in told] == ["NOK", "OK", "NOK", "ERROR", "OK", "ERROR", "OFF"]
    assert told[0]["context"] == answers[0].json()
    assert told[0]["labels"] == ["scratch"]
    assert told[3]["error"]["code"] == answers[3].json()["code"]
    assert told[4]["contextLeftOutBytes"] > 100_000
    assert _history(server) == {"state": "recording", "recorded": len(answers), "missed": 0, "failures": 0}
    with server.client() as client:
        assert f"framemill_history_recorded_total {len(answers)}" in client.get("/metrics").text


def test_who_was_refused_is_there_as_counts(tmp_path: Path) -> None:
    with serving(project_in(tmp_path / "p"), *RECORD, "--slots", "2", "--queue-ms", "0") as server:
        _await_recorder(server)
        gate = server.project / "data" / "full"
        statuses: list[int] = []
        holders = [
            threading.Thread(target=lambda: statuses.append(post(server, "wait:full").status_code)) for _ in range(4)
        ]
        for holder in holders:
            holder.start()
        until(lambda: 429 in statuses)  # no slot is left
        statuses += [post(server).status_code for _ in range(20)]
        gate.touch()
        for holder in holders:
            holder.join()
        refused = statuses.count(429)
        until(lambda: rows(_path(server), "SELECT sum(count) FROM refusals") == [(refused,)])
        told = [one for entry in printed(server) if entry["kind"] == "refusals" for one in entry["refused"]]
    assert refused > 20
    assert {(one["client"], one["status"]) for one in told} == {("127.0.0.1", 429)}


def test_a_recorder_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    with serving(project_in(tmp_path / "p"), *RECORD) as server:
        _await_recorder(server)
        sent = []
        for turn in range(2):
            sent += [post(server, part=f"{turn}-{number}").json()["id"] for number in range(20)]
            os.kill(program_of(server, RECORDER), signal.SIGKILL)
            sent += [post(server, part=f"{turn}+{number}").json()["id"] for number in range(20)]
        until(lambda: len(parts(_path(server))) >= len(sent))
        assert [one["id"] for one in printed(server)[::-1]] == sent
        assert any("the recorder ended with status -9; it is started again" in line for line in server.log)


def test_the_last_frame_before_the_end_is_there_and_is_read_without_a_server(tmp_path: Path) -> None:
    with serving(project_in(tmp_path / "p"), *RECORD) as server:
        _await_recorder(server)
        ids = [post(server).json()["id"] for _ in range(5)]
        assert server.stop() == 0
    assert [one["id"] for one in printed(server)[::-1]] == ids
    assert rows(_path(server), "SELECT count(*) FROM runs WHERE ended_ns IS NULL") == [(0,)]


def test_a_supervisor_that_is_killed_leaves_an_interval_that_is_unknown(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    with serving(project, *RECORD) as server:
        first = post(server).json()["id"]
        until(lambda: _history(server).get("recorded") == 1)
        server.process.kill()
        server.process.wait()
    with serving(project, *RECORD) as server:
        second = post(server).json()["id"]
        until(lambda: _history(server).get("recorded") == 1)
        told = printed(server)
    assert [one.get("id") for one in told] == [second, None, first]
    assert (told[1]["kind"], told[1]["why"]) == ("unknown", "killed")
    assert told[2]["time"] < told[1]["until"] < told[0]["time"]


def test_one_server_after_the_other_keeps_one_history(tmp_path: Path) -> None:
    with line_of_servers(project_in(tmp_path / "p"), tmp_path / "code", *RECORD) as line:
        _await_recorder(line.server)
        ids = [post(line.server).json()["id"] for _ in range(3)]
        line.upgrade()
        ids += [post(line.server).json()["id"] for _ in range(3)]
        until(lambda: len(parts(_path(line.server))) == len(ids))
        assert [one["id"] for one in printed(line.server)[::-1]] == ids


def test_a_database_that_is_locked_is_waited_for_and_frames_are_answered(tmp_path: Path) -> None:
    with serving(project_in(tmp_path / "p"), *RECORD) as server:
        _await_recorder(server)
        with closing(sqlite3.connect(_path(server), isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            ids = [post(server).json()["id"] for _ in range(10)]
            until(lambda: _history(server)["state"] == "waiting")
            assert "locked" in _history(server)["error"]
            ids += [post(server).json()["id"] for _ in range(10)]
            holder.execute("ROLLBACK")
        until(lambda: _history(server)["recorded"] == len(ids))
        assert [one["id"] for one in printed(server)[::-1]] == ids
        said = [line for line in server.log if "the history cannot be written" in line]
        assert len(said) == 1


def test_what_the_ring_could_not_keep_meanwhile_is_counted(tmp_path: Path) -> None:
    with serving(project_in(tmp_path / "p"), *RECORD, "--results-mib", "1", "--fronts", "1") as server:
        _await_recorder(server)
        sent = 700  # a ring of 1 MiB has some 200
        with closing(sqlite3.connect(_path(server), isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            data = "x" * 4000
            with server.client() as client:
                for _ in range(sent):
                    client.post("/analyze_raw_image", params={"width": 16, "height": 16, "data": data}, content=FRAME)
            holder.execute("ROLLBACK")
        until(lambda: _history(server)["recorded"] + _history(server)["missed"] == sent)
        assert _history(server)["missed"] > 0
        told = printed(server, "--no-context")
    kinds = Counter(one["kind"] for one in told)
    assert kinds["frame"] == sent - sum(one["count"] for one in told if one["kind"] == "unknown")


def test_a_full_disk_costs_no_frame_and_is_written_to_again(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "small", str(disk)], check=False).returncode:
        pytest.skip("only root can make a small file system")
    try:
        with serving(project_in(tmp_path / "p"), *RECORD, "--state-dir", str(disk)) as server:
            ids = [post(server).json()["id"]]
            until(lambda: _history(server).get("recorded") == 1)
            _fill(disk / "fill")
            while _history(server)["state"] != "waiting":
                ids.append(post(server).json()["id"])
            assert "full" in _history(server)["error"] or "disk" in _history(server)["error"]
            ids += [post(server).json()["id"] for _ in range(5)]
            (disk / "fill").unlink()
            until(lambda: _history(server)["recorded"] == len(ids))
            told = command("history", "--state-dir", disk, "--jsonl")
            assert [json.loads(line)["id"] for line in told.stdout.splitlines()][::-1] == ids
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_the_history_keeps_as_many_as_are_asked_for(tmp_path: Path) -> None:
    with serving(project_in(tmp_path / "p"), *RECORD, "--history-records", "5") as server:
        ids = [post(server).json()["id"] for _ in range(20)]
        until(lambda: _history(server).get("recorded") == 20 and len(parts(_path(server))) == 5)
        assert [one["id"] for one in printed(server)[::-1]] == ids[-5:]
