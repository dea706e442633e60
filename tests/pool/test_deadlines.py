"""A deadline, the server's or a client's own, ends the waiting; what ends a worker is a frame that runs too long."""

from __future__ import annotations

import re
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.faults import FRAME, GIVE_UP_S, RAW, begin, faulty, post, until, whole
from tests.support.faults import faulty_server as _faulty_server  # noqa: F401 - the fixture `server` of this file
from tests.support.running import Server, serving, write_project


def own_deadline(server: Server, data: str, deadline_ms: int) -> tuple[httpx.Response, float]:
    """Send a frame that is due after so long; returns its answer, and after how many seconds that came."""
    begun = time.monotonic()
    with server.client() as client:
        asked: dict[str, str | int] = {"data": data, "width": 16, "height": 16, "deadline_ms": deadline_ms}
        return client.post(RAW, params=asked, content=FRAME), time.monotonic() - begun


def test_a_clients_own_deadline_ends_its_waiting_and_not_its_worker(server: Server) -> None:
    answer, took_s = own_deadline(server, "wait:gate", 200)
    assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")
    assert 0.2 <= took_s < 4  # the server's own is 5 s
    status = server.status()
    assert status["workers"]["busy"] == 1
    assert status["slots"]["free_here"] < status["slots"]["per_front"] + 1  # it stays taken until the worker ends
    (server.project / "data" / "gate").touch()
    until(lambda: whole(server) and not server.status()["workers"]["busy"])
    assert server.status()["workers"]["deaths"] == 0


@pytest.mark.long
def test_a_frame_that_still_waits_at_its_own_deadline_is_taken_back(tmp_path: Path) -> None:
    with serving(faulty(tmp_path / "p"), "--workers", "1") as server:
        free = server.status()["slots"]["free_here"]
        thread, answers, gate = begin(server, "go")
        answer, took_s = own_deadline(server, "wait:late", 200)
        assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")
        assert took_s >= 0.2
        until(lambda: server.status()["slots"]["free_here"] == free - 1)  # while the worker is still at the other one
        gate.touch()
        thread.join()
        assert answers[0].status_code == 200
        until(lambda: whole(server))
        assert not gate.with_name("late.pids").exists()
        assert server.status()["workers"]["deaths"] == 0


@pytest.mark.long
def test_a_flow_goes_no_further_once_nobody_waits_for_its_frame(tmp_path: Path) -> None:
    toml = '[[flow]]\nmodule = "code"\nfile = "code/after.py"\n'
    after = "import pathlib\ndef main(context):\n    pathlib.Path(context['dataFolder'], 'went-on').touch()\n"
    project = faulty(tmp_path / "p")
    (project / "framemill.toml").write_text((project / "framemill.toml").read_text() + toml)
    (project / "code" / "after.py").write_text(after)
    with serving(project, "--workers", "1") as server:
        assert own_deadline(server, "wait:gate", 100)[0].status_code == 504
        (project / "data" / "gate").touch()
        until(lambda: not server.status()["workers"]["busy"] and whole(server))
        assert not (project / "data" / "went-on").exists()
        assert own_deadline(server, "none:x", 5000)[0].status_code == 200
        assert (project / "data" / "went-on").exists()


STUCK = """
import ctypes, signal, threading

def main(context):
    what = context["data"]
    if what == "in-c":
        mutex, libc = ctypes.create_string_buffer(64), ctypes.PyDLL(None)  # which keeps the interpreter's lock
        libc.pthread_mutex_lock(mutex)
        libc.pthread_mutex_lock(mutex)  # for ever
    if what == "deadlock":
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()
    if what == "took-the-signal":
        signal.signal(signal.SIGRTMAX, signal.SIG_IGN)
        threading.Event().wait()
    if what == "signal-kills":
        signal.signal(signal.SIGRTMAX, signal.SIG_DFL)
        threading.Event().wait()
"""


@pytest.mark.long
def test_a_frame_that_runs_too_long_is_ended_and_the_log_says_where_it_was(tmp_path: Path) -> None:
    toml = '[server]\nrun_ms = 300\n[[flow]]\nmodule = "code"\nfile = "code/stuck.py"\n'
    with serving(write_project(tmp_path / "p", toml, stuck=STUCK), "--workers", "1") as server:
        for number, what in enumerate(("in-c", "deadlock", "took-the-signal", "signal-kills"), 1):
            answer, took_s = own_deadline(server, what, 60_000)
            assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")
            assert "run_ms" in answer.json()["detail"]
            assert took_s < 5  # the deadline is 10 s
            until(lambda number=number: server.status()["workers"]["killed_for_time"] == number)  # type: ignore[misc]
        assert own_deadline(server, "fine", 60_000)[0].status_code == 200
        text = "".join(server.log)
        assert text.count("its frame ran longer than 300 ms (run_ms)") == 4
        lines = STUCK.splitlines()
        for last in ("pthread_mutex_lock(mutex)", "lock.acquire()"):
            at = len(lines) - next(n for n, line in enumerate(reversed(lines)) if last in line)
            assert re.search(rf"worker \d+:   File .*stuck\.py\", line {at} in main", text), text


@pytest.mark.long
def test_waiting_is_not_running(tmp_path: Path) -> None:
    slow = "import time\ndef main(context):\n    time.sleep(0.3)\n"
    toml = '[server]\nrun_ms = 600\n[[flow]]\nmodule = "code"\nfile = "code/slow.py"\n'
    with serving(write_project(tmp_path / "p", toml, slow=slow), "--workers", "1") as server:
        with ThreadPoolExecutor(4) as cameras:  # the last of them is done after 1.2 s
            answers = list(cameras.map(lambda _: post(server, ""), range(4)))
        assert [answer.status_code for answer in answers] == [200] * 4
        assert server.status()["workers"]["deaths"] == 0


def test_a_deadline_that_is_no_number_is_refused(server: Server) -> None:
    with server.client() as client:
        for text in ("0", "-1", "1_0", "1.5", "abc", "\u0665", "", "12345678"):
            answer = client.post(RAW, params={"width": 16, "height": 16, "deadline_ms": text}, content=FRAME)
            assert answer.status_code == 400, text
            assert "deadline_ms" in answer.json()["detail"]


@pytest.mark.long
@pytest.mark.parametrize("how", ["reset", "end"])
def test_a_frame_whose_client_has_gone_is_not_inspected(tmp_path: Path, how: str) -> None:
    with serving(faulty(tmp_path / "p"), "--workers", "1") as server:
        thread, answers, gate = begin(server, "go")
        connection = socket.create_connection(("127.0.0.1", server.port), GIVE_UP_S)
        connection.sendall(
            f"POST {RAW}&data=wait:gone HTTP/1.1\r\nHost: a\r\nContent-Length: {len(FRAME)}\r\n\r\n".encode() + FRAME
        )
        until(lambda: server.status()["slots"]["free_here"] < server.status()["slots"]["per_front"])
        if how == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        until(lambda: server.status()["frames"]["errors"] == 1)
        gate.touch()
        thread.join()
        assert answers[0].status_code == 200
        until(lambda: whole(server))
        # had it been inspected, its worker would still wait for the file `gone`
        assert not gate.with_name("gone.pids").exists()
        assert server.status()["workers"]["deaths"] == 0
