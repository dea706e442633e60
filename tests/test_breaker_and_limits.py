"""A flow that ends its workers is refused instead of restarted for ever; workers that grow are replaced."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from faults import FRAME, RAW, until, whole
from running import Server, serving, write_project

CODE = """
import os, pathlib, signal, threading
import numpy as np

kept = []

def main(context):
    what, _, token = context["data"].partition(":")
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "leak-memory":
        kept.append(np.ones(100 << 20, np.uint8))
    if what == "leak-files":
        kept.extend(open("/dev/null") for _ in range(20))
    if what == "leak-threads":
        wait = threading.Event()
        for _ in range(5):
            thread = threading.Thread(target=wait.wait, daemon=True)
            thread.start()
            kept.append((thread, wait))
    if what == "too-much":
        np.ones(1 << 32, np.uint8)
    context["pid"] = os.getpid()
    context["kept"] = len(kept)
"""


def project(folder: Path) -> Path:
    return write_project(folder, '[[flow]]\nmodule = "code"\nfile = "code/c.py"\n', c=CODE)


@pytest.fixture(name="server")
def greedy_server(tmp_path: Path) -> Iterator[Server]:
    with serving(project(tmp_path / "p"), env={"FRAMEMILL_WORKER_MEMORY_MIB": "1500"}) as running:
        yield running


def test_a_flow_that_ends_every_worker_is_refused_until_a_reload(server: Server) -> None:
    with server.client() as client:
        seen = [client.post(f"{RAW}&data=kill", content=FRAME) for _ in range(12)]
        assert [answer.json()["code"] for answer in seen] == ["worker_crashed"] * 5 + ["flow_broken"] * 7
        assert seen[-1].status_code == 503
        assert seen[-1].headers["Retry-After"]
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert "ended the workers" in ready.json()["reasons"][0]
        assert client.post(f"{RAW}&data=fine", content=FRAME).status_code == 503
        deaths = server.status()["workers"]["deaths"]
        assert deaths == 10
        client.post("/api/v1/reload")
        until(lambda: client.get("/readyz").status_code == 200)
        assert client.post(f"{RAW}&data=fine", content=FRAME).status_code == 200


@pytest.mark.long
def test_a_flow_that_was_refused_is_tried_again_by_itself(tmp_path: Path) -> None:
    env = {"FRAMEMILL_BROKEN_FLOW_PAUSE_MS": "1000"}
    with serving(project(tmp_path / "p"), env=env) as server, server.client() as client:
        for _ in range(5):
            assert client.post(f"{RAW}&data=kill", content=FRAME).status_code == 500
        until(lambda: client.post(f"{RAW}&data=fine", content=FRAME).status_code == 200)
        until(lambda: client.get("/readyz").status_code == 200)
        assert server.status()["workers"]["deaths"] == 10


def test_single_frames_that_end_workers_among_good_ones_refuse_nobody(server: Server) -> None:
    with server.client() as client:
        for _ in range(10):
            assert client.post(f"{RAW}&data=kill", content=FRAME).json()["code"] == "worker_crashed"
            assert [client.post(f"{RAW}&data=fine", content=FRAME).status_code for _ in range(4)] == [200] * 4


@pytest.mark.long
@pytest.mark.parametrize("leak", ["leak-memory", "leak-files", "leak-threads"])
def test_a_worker_that_grows_is_replaced_without_an_error(server: Server, leak: str) -> None:
    with server.client() as client:
        pids = set()
        while server.status()["workers"]["recycled"] < 3:
            answer = client.post(f"{RAW}&data={leak}", content=FRAME)
            assert answer.status_code == 200
            assert answer.json()["kept"] < 2000
            pids.add(answer.json()["pid"])
        assert len(pids) >= 3
    until(lambda: whole(server))
    assert server.status()["workers"]["deaths"] == 0


def test_what_one_frame_takes_beyond_the_limit_is_its_own_error(server: Server) -> None:
    with server.client() as client:
        before = client.post(RAW, content=FRAME).json()["pid"]
        for _ in range(3):
            answer = client.post(f"{RAW}&data=too-much", content=FRAME)
            assert answer.json()["error"] is True
            assert "Memory" in answer.text
        after = {client.post(RAW, content=FRAME).json()["pid"] for _ in range(20)}
    assert before in after
    assert server.status()["workers"]["deaths"] == 0


@pytest.mark.long
def test_workers_are_replaced_after_so_many_frames(tmp_path: Path) -> None:
    with (
        serving(project(tmp_path / "p"), "--workers", "1", env={"FRAMEMILL_RECYCLE_AFTER_FRAMES": "20"}) as server,
        server.client() as client,
    ):
        pids = []
        while server.status()["workers"]["recycled"] < 3:
            pids.append(client.post(RAW, content=FRAME).json()["pid"])
        assert len(set(pids)) >= 3
        assert all(pids.count(pid) >= 20 for pid in list(dict.fromkeys(pids))[:-1])


def test_workers_go_first_where_memory_runs_out(tmp_path: Path) -> None:
    with serving(project(tmp_path / "p")) as server, server.client() as client:
        pid = client.post(RAW, content=FRAME).json()["pid"]
        assert int(Path(f"/proc/{pid}/oom_score_adj").read_text()) == 900
        assert int(Path(f"/proc/{server.process.pid}/oom_score_adj").read_text()) < 900
