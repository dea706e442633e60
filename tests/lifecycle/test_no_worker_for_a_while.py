"""The template and all workers die at once: frames wait for the next ones, which these tests hold up at will."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.support.faults import FRAME, RAW, is_gone, post, until
from tests.support.running import Server, serving, write_project
from tests.support.versions import template_of, workers_of

pytestmark = pytest.mark.long

SLOW_TO_LOAD = """
import os, pathlib, time

data = pathlib.Path(os.environ["FRAMEMILL_DATA"])
while (data / "hold").exists():
    time.sleep(0.005)
if (data / "broken").exists():
    raise OSError("the database is away")

def main(context):
    time.sleep(float(context["data"] or 0))
"""
SLOTS = 6


def _project(folder: Path) -> Path:
    toml = f'[server]\nqueue_ms = 0\nslots = {SLOTS}\n[[flow]]\nmodule = "code"\nfile = "code/slow.py"\n'
    return write_project(folder, toml, slow=SLOW_TO_LOAD)


@pytest.fixture(name="server", scope="module")
def server_that_loads_at_will(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(_project(tmp_path_factory.mktemp("slow"))) as running:
        assert post(running, "").status_code == 200
        yield running


def _kill_workers(server: Server) -> int:
    """Kill those that there are, a spare that had been asked for included; returns how many are ready then."""
    for pid in workers_of(server):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    ready: int = server.status()["workers"]["ready"]
    return ready


@contextmanager
def _nobody_there(server: Server, why: str) -> Iterator[Path]:
    """Kill the template and all workers; the next ones do not come while the file `why`, which is given, exists."""
    gate = server.project / "data" / why
    gate.touch()
    template = template_of(server)
    os.kill(template, signal.SIGKILL)
    until(lambda: is_gone(template))
    try:
        until(lambda: _kill_workers(server) == 0)
        yield gate
    finally:
        gate.unlink(missing_ok=True)
        if server.process.poll() is None:
            until(lambda: server.status()["workers"]["ready"] == 2)


def _await_in_slots(server: Server, frames: int) -> None:
    until(lambda: server.status()["slots"]["free_here"] == SLOTS - frames)


def _post(cameras: ThreadPoolExecutor, server: Server, frames: int) -> list[Future[httpx.Response]]:
    return [cameras.submit(post, server, "") for _ in range(frames)]


def test_frames_wait_for_workers_that_are_on_their_way(server: Server) -> None:
    with ThreadPoolExecutor(4) as cameras, _nobody_there(server, "hold") as gate:
        answers = _post(cameras, server, 4)
        _await_in_slots(server, 4)
        assert not any(answer.done() for answer in answers)
        with server.client() as client:
            assert client.get("/readyz").json()["reasons"] == ["no worker is ready"]
        gate.unlink()
        assert [answer.result().status_code for answer in answers] == [200] * 4


def test_they_wait_until_their_deadline_at_most(server: Server) -> None:
    with _nobody_there(server, "hold"), server.client() as client:
        answer = client.post(f"{RAW}&deadline_ms=200", content=FRAME)
    assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")
    assert "was not begun" in answer.json()["detail"]


def test_as_many_wait_as_there_are_slots(server: Server) -> None:
    with ThreadPoolExecutor(SLOTS) as cameras, _nobody_there(server, "hold") as gate:
        answers = _post(cameras, server, SLOTS)
        _await_in_slots(server, SLOTS)
        refused = post(server, "")
        assert (refused.status_code, refused.json()["code"]) == (429, "server_busy")
        gate.unlink()
        assert [answer.result().status_code for answer in answers] == [200] * (SLOTS)


def test_what_would_be_late_with_all_workers_there_is_refused_at_once(server: Server) -> None:
    until(lambda: post(server, "0.3").status_code == 200 and server.status()["flow_lately_ms"] >= 100)
    with _nobody_there(server, "hold"), server.client() as client:
        answer = client.post(f"{RAW}&deadline_ms=50", content=FRAME)
    assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")
    assert "is not begun" in answer.json()["detail"]


def test_after_a_try_that_failed_no_frame_waits(server: Server) -> None:
    with _nobody_there(server, "broken"):
        until(lambda: any("the database is away" in said for said in server.log))
        answer = until(lambda: (a := post(server, "")).status_code == 503 and a)
        assert answer.json()["code"] == "not_ready"
    assert post(server, "").status_code == 200


def test_a_server_that_stops_still_has_workers_made_for_frames_that_wait(tmp_path: Path) -> None:
    with (
        serving(_project(tmp_path / "p")) as server,
        ThreadPoolExecutor(1) as cameras,
        _nobody_there(server, "hold") as gate,
    ):
        until(lambda: server.status()["slots"]["free_here"] > SLOTS)  # none is kept yet
        answers = _post(cameras, server, 1)
        _await_in_slots(server, 0)
        server.process.send_signal(signal.SIGTERM)
        gate.unlink()
        assert answers[0].result().status_code == 200
        assert server.process.wait(60) == 0
