"""Stopping and reloading: frames in flight are finished, and a broken project changes nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.faults import (
    GIVE_UP_S,
    begin,
    children_of,
    faulty,
    faulty_server,  # noqa: F401 - the fixture `server` of this file
    fronts_master,
    is_gone,
    post,
    until,
    whole,
)
from tests.support.running import Server, serving, write_project

pytestmark = pytest.mark.long


def test_a_server_that_is_asked_to_stop_finishes_its_frames_first(server: Server) -> None:
    thread, answers, gate = begin(server, "go")
    with server.client() as client:
        assert client.get("/livez").status_code == 200  # this connection is open; a stopping server accepts no new one
        server.process.send_signal(signal.SIGTERM)
        until(lambda: "the server is stopping" in client.get("/readyz").text)
        gate.touch()
    thread.join()
    assert answers[0].status_code == 200
    assert server.process.wait(GIVE_UP_S) == 0
    server.stop()
    assert any("all ended by themselves" in line for line in server.log)


def test_asked_a_second_time_it_stops_at_once(server: Server) -> None:
    def post_in_vain() -> None:
        with pytest.raises(httpx.TransportError):
            post(server, "wait:never")

    thread = threading.Thread(target=post_in_vain)
    thread.start()
    with server.client() as client:
        until(lambda: client.get("/api/v1/status").json()["workers"]["busy"] == 1)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: "the server is stopping" in client.get("/readyz").text)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(GIVE_UP_S) == 5
    thread.join()


HANGS = """
import ctypes, signal

def main(context):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ctypes.PyDLL(None).sleep(1000)  # which keeps the interpreter for itself
"""


def test_a_frame_that_hangs_holds_a_stop_up_until_its_deadline(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", '[[flow]]\nmodule = "code"\nfile = "code/hangs.py"\n', hangs=HANGS)
    with serving(project, env={"FRAMEMILL_DEADLINE_MS": "1500"}) as server, ThreadPoolExecutor(1) as cameras:
        answer = cameras.submit(post, server, "")
        until(lambda: server.status()["workers"]["busy"] == 1)
        server.process.send_signal(signal.SIGTERM)
        begun_s = time.monotonic()
        assert server.process.wait(GIVE_UP_S) == 0
        assert time.monotonic() - begun_s < 1.5 + 2
        assert answer.result().json()["code"] == "deadline_exceeded"


def test_what_does_not_end_is_killed_two_seconds_after_the_deadline(tmp_path: Path) -> None:
    with serving(faulty(tmp_path / "p"), env={"FRAMEMILL_DEADLINE_MS": "500"}) as server:
        started = children_of(server.process.pid)
        os.kill(fronts_master(server), signal.SIGSTOP)
        server.process.send_signal(signal.SIGTERM)
        begun_s = time.monotonic()
        assert server.process.wait(GIVE_UP_S) == 5
        took_s = time.monotonic() - begun_s
        until(lambda: all(is_gone(pid) for pid in started))
    assert 2.4 < took_s < 4
    assert any("not everything ended in time; the rest is killed" in line for line in server.log)


def test_stop_over_http_ends_the_server(tmp_path: Path) -> None:
    with serving(faulty(tmp_path / "p"), "--stop-key", "open-sesame") as server:
        with server.client() as client:
            assert client.get("/stop?key=open-sesame").status_code == 200
        assert server.process.wait(GIVE_UP_S) == 0


def test_without_a_stop_key_there_is_no_stop(server: Server) -> None:
    with server.client() as client:
        assert client.get("/stop?key=").status_code == 404


def _version(number: int) -> str:
    return f"def main(context):\n    context['version'] = {number}\n"


def test_a_reload_brings_new_code_and_loses_nothing(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", '[[flow]]\nmodule = "code"\nfile = "code/v.py"\n', v=_version(1))
    with serving(project) as server, ThreadPoolExecutor(4) as cameras:
        seen: list[int] = []
        over = threading.Event()

        def camera() -> None:
            while not over.is_set():
                seen.append(post(server, "").json()["version"])

        running = [cameras.submit(camera) for _ in range(4)]
        until(lambda: seen)
        for number in range(2, 6):
            (project / "code" / "v.py").write_text(_version(number))
            server.process.send_signal(signal.SIGHUP)
            until(lambda number=number: server.status()["reloads"] == number - 1)  # type: ignore[misc]
            until(lambda number=number: seen and seen[-1] == number)  # type: ignore[misc]
        over.set()
        for one in running:
            one.result()
        assert set(seen) == {1, 2, 3, 4, 5}
        assert server.status()["workers"]["deaths"] == 0


def _refusals(server: Server) -> int:
    return sum("the project was not reloaded" in line for line in server.log)


_BROKEN = [
    "this is not python",
    "import no_such_library\ndef main(context): pass\n",
    "import os\nos._exit(9)\ndef main(context): pass\n",
    "import os\nos.kill(os.getpid(), 9)\ndef main(context): pass\n",
]


def test_a_reload_of_a_broken_project_changes_nothing(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", '[[flow]]\nmodule = "code"\nfile = "code/v.py"\n', v=_version(1))
    with serving(project) as server:
        for times, broken in enumerate(_BROKEN, 1):
            (project / "code" / "v.py").write_text(broken)
            server.process.send_signal(signal.SIGHUP)
            until(lambda times=times: _refusals(server) == times)  # type: ignore[misc]
            for _ in range(20):
                assert post(server, "").json()["version"] == 1
        (project / "code" / "v.py").write_text(_version(2))
        server.process.send_signal(signal.SIGHUP)
        until(lambda: server.status()["reloads"] == 1)
        assert post(server, "").json()["version"] == 2
        until(lambda: whole(server))


def test_a_reload_that_never_ends_is_given_up_and_leaves_nobody_behind(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", '[[flow]]\nmodule = "code"\nfile = "code/v.py"\n', v=_version(1))
    with serving(project, env={"FRAMEMILL_BOOT_MS": "1000"}) as server:
        before = set(children_of(server.process.pid))
        (project / "code" / "v.py").write_text("import time\ntime.sleep(1000)\n" + _version(2))
        server.process.send_signal(signal.SIGHUP)
        until(lambda: any("did not load the project within 1000 ms" in line for line in server.log))
        until(lambda: set(children_of(server.process.pid)) == before)
        assert post(server, "").json()["version"] == 1


def test_many_reloads_in_a_row_end_with_the_last_one(tmp_path: Path) -> None:
    slow = "import time\ntime.sleep(0.2)\n"
    project = write_project(tmp_path / "p", '[[flow]]\nmodule = "code"\nfile = "code/v.py"\n', v=slow + _version(1))
    with serving(project) as server:
        for number in range(2, 9):
            (project / "code" / "v.py").write_text(slow + _version(number))
            server.process.send_signal(signal.SIGHUP)
            assert post(server, "").status_code == 200
        until(lambda: post(server, "").json()["version"] == 8)
        until(lambda: whole(server))
        assert {post(server, "").json()["version"] for _ in range(30)} == {8}
        assert server.status()["workers"]["deaths"] == 0
