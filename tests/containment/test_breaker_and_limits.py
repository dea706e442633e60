"""A flow that ends its workers is refused instead of restarted for ever; workers that grow are replaced."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support.faults import FRAME, RAW, until, whole
from tests.support.pictures import png
from tests.support.running import Server, serving, write_project

pytestmark = pytest.mark.long

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
    if what == "reserve-memory":
        kept.append(np.empty(10 << 20, np.uint8))
    if what == "close-all":
        os.closerange(3, 1 << 16)
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


def test_a_flow_that_was_refused_is_tried_again_by_itself(tmp_path: Path) -> None:
    env = {"FRAMEMILL_BROKEN_FLOW_PAUSE_MS": "1000"}
    with serving(project(tmp_path / "p"), env=env) as server, server.client() as client:
        for _ in range(5):
            assert client.post(f"{RAW}&data=kill", content=FRAME).status_code == 500
        until(lambda: client.post(f"{RAW}&data=fine", content=FRAME).status_code == 200)
        until(lambda: client.get("/readyz").status_code == 200)
        assert server.status()["workers"]["deaths"] == 10


def test_what_no_flow_saw_does_not_close_it(server: Server) -> None:
    with server.client() as client:
        assert client.post(f"{RAW}&data=fine", content=FRAME).status_code == 200
        for _ in range(5):
            assert client.post(f"{RAW}&data=kill", content=FRAME).status_code == 500
        until(lambda: client.get("/readyz").status_code == 503)
        assert client.get("/last_image?response_type=image").status_code in {200, 404}
        client.post("/api/v1/process", json={"process": False})
        until(lambda: server.status()["workers"]["ready"] == 2)
        for _ in range(20):
            assert client.get("/last_image?response_type=image").status_code in {200, 404}
            refused = client.post("/analyze_image", content=b"no picture").json()
            assert refused["code"] == "flow_broken"
            assert client.get("/readyz").status_code == 503


def test_single_frames_that_end_workers_among_good_ones_refuse_nobody(server: Server) -> None:
    with server.client() as client:
        for _ in range(10):
            assert client.post(f"{RAW}&data=kill", content=FRAME).json()["code"] == "worker_crashed"
            assert [client.post(f"{RAW}&data=fine", content=FRAME).status_code for _ in range(4)] == [200] * 4


@pytest.mark.parametrize("leak", ["leak-memory", "reserve-memory", "leak-files", "leak-threads"])
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


def test_a_limit_that_is_too_small_for_the_project_says_what_is_needed(tmp_path: Path) -> None:
    env = {"FRAMEMILL_WORKER_MEMORY_MIB": "10"}
    with (
        pytest.raises(AssertionError, match=r"worker_memory_mib = 10: for this project, at least \d+ were expected"),
        serving(project(tmp_path / "p"), env=env),
    ):
        pass


def test_a_picture_that_needs_more_memory_than_there_is_says_so(tmp_path: Path) -> None:
    with (
        serving(project(tmp_path / "p"), env={"FRAMEMILL_WORKER_MEMORY_MIB": "260"}) as server,
        server.client() as client,
    ):
        answer = client.post("/analyze_image", content=png(np.zeros((6000, 8000, 3), np.uint8)))
        assert answer.status_code == 500
        assert answer.json()["code"] == "out_of_memory"
        assert client.post(f"{RAW}&data=fine", content=FRAME).status_code == 200


def test_a_frame_whose_flow_closes_all_descriptors_still_gets_its_answer(server: Server) -> None:
    with server.client() as client:
        for _ in range(3):
            answer = client.post(f"{RAW}&data=close-all", content=FRAME)
            assert answer.status_code == 200
            assert answer.json()["pid"]
    until(lambda: whole(server) and server.status()["workers"]["deaths"] == 3)


def test_a_worker_that_dies_while_a_project_loads_is_replaced_at_once(tmp_path: Path) -> None:
    slow = project(tmp_path / "p")
    gate = tmp_path / "gate"
    with serving(slow) as server, server.client() as client:
        wait = f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)\n"
        write_project(slow, '[[flow]]\nmodule = "code"\nfile = "code/s.py"\n', s=wait + CODE)
        client.post("/api/v1/reload")
        before = client.post(f"{RAW}&data=fine", content=FRAME).json()["pid"]
        os.kill(before, signal.SIGKILL)
        until(lambda: server.status()["workers"]["deaths"] == 1)
        until(lambda: server.status()["workers"]["ready"] == 2)
        gate.touch()
        until(lambda: "the project was reloaded" in "".join(server.log))


def test_a_process_that_cannot_be_made_is_made_later(server: Server) -> None:
    with server.client() as client:
        before = client.post(f"{RAW}&data=fine", content=FRAME).json()["pid"]
        limits = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (0, limits[1]))
        os.kill(before, signal.SIGKILL)
        until(lambda: "no worker can be started at the moment" in "".join(server.log))
        assert client.post(f"{RAW}&data=fine", content=FRAME).status_code == 200
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, limits)
        until(lambda: whole(server))


def test_workers_go_first_where_memory_runs_out(tmp_path: Path) -> None:
    with serving(project(tmp_path / "p")) as server, server.client() as client:
        pid = client.post(RAW, content=FRAME).json()["pid"]
        assert int(Path(f"/proc/{pid}/oom_score_adj").read_text()) == 900
        assert int(Path(f"/proc/{server.process.pid}/oom_score_adj").read_text()) < 900
