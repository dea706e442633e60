"""globalData in a real server: all workers have it; deaths, a reload and an upgrade leave it, a start clears it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.succession.upgrades import line_of_servers
from tests.support.contract import checked, raw
from tests.support.faults import until
from tests.support.projects import frame
from tests.support.running import Server, serving, write_project

FLOW = '[[flow]]\nmodule = "code"\nfile = "code/count.py"\n'
COUNT = """
import os

def main(context):
    shared = context["globalData"]
    shared["parts"] = shared.get("parts", 0) + 1
    shared[f"by {os.getpid()}"] = shared["parts"]
    context["pid"] = os.getpid()
"""


def send(server: Server) -> dict[str, Any]:
    path, body = raw(frame())
    with server.client() as client:
        return checked(client.post(path, content=body))


@pytest.mark.long
def test_all_workers_share_it_and_their_deaths_leave_it(tmp_path: Path) -> None:
    with serving(write_project(tmp_path / "p", FLOW, count=COUNT), "--workers", "2") as server:
        pids: set[int] = set()
        for parts in range(1, 9):
            context = send(server)
            assert context["globalData"]["parts"] == parts
            pids.add(context["pid"])
            os.kill(context["pid"], signal.SIGKILL)
            until(lambda: server.status()["workers"]["ready"] == 2)
        assert len(pids) == 8
        assert {f"by {pid}" for pid in pids} <= send(server)["globalData"].keys()


@pytest.mark.long
def test_a_reload_leaves_it_and_a_start_clears_it(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", FLOW, count=COUNT)
    with serving(project, "--workers", "1") as server:
        assert send(server)["globalData"]["parts"] == 1
        write_project(project, FLOW, count=COUNT + "    context['newer'] = True\n")
        with server.client() as client:
            client.post("/api/v1/reload")
        until(lambda: server.status()["reloads"] == 1)
        context = send(server)
        assert (context["newer"], context["globalData"]["parts"]) == (True, 2)
    with serving(project, "--workers", "1") as server:
        assert send(server)["globalData"]["parts"] == 1


@pytest.mark.long
def test_the_server_that_follows_has_it(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", FLOW, count=COUNT)
    with line_of_servers(project, tmp_path / "code", "--workers", "1") as line:
        assert [send(line.server)["globalData"]["parts"] for _ in range(3)] == [1, 2, 3]
        line.install_next()
        line.upgrade()
        assert line.version == 1
        assert send(line.server)["globalData"]["parts"] == 4
        line.upgrade()  # and once more, from the one that was handed it
        assert send(line.server)["globalData"]["parts"] == 5


def test_what_a_frame_changed_that_has_no_answer_is_not_there(tmp_path: Path) -> None:
    dies = COUNT + "    if context['data'] == 'die':\n        os.kill(os.getpid(), 9)\n"
    path, body = raw(frame())
    with serving(write_project(tmp_path / "p", FLOW, count=dies), "--workers", "1") as server:
        assert send(server)["globalData"]["parts"] == 1
        with server.client() as client:
            assert client.post(f"{path}&data=die", content=body).status_code == 500
        until(lambda: server.status()["workers"]["ready"] == 1)
        with server.client() as client:
            answer = until(lambda: reply if (reply := client.post(path, content=body)).status_code == 200 else None)
        assert answer.json()["globalData"]["parts"] == 2
