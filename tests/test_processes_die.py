"""Processes die, hang and come back, and no frame is lost or gets another's answer."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from running import Server, serving, write_project

FAULT = """
import os, pathlib, signal, time

def main(context):
    what, _, token = context["data"].partition(":")
    here = pathlib.Path(__file__).parent
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "kill-once" and not (here / token).exists():
        (here / token).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "exit":
        os._exit(0)
    if what == "spin":
        while True:
            pass
    if what == "wait":
        with open(here / f"{token}.pids", "a") as pids:
            pids.write(f"{os.getpid()}\\n")
        while not (here / token).exists():
            time.sleep(0.005)
    context["pid"] = os.getpid()
    context["token"] = token
"""
FRAME = bytes(16 * 16)
RAW = "/analyze_raw_image?width=16&height=16"
GIVE_UP_S = 60.0


def until(condition: Callable[[], Any]) -> Any:
    """Ask again and again until there is something; fails after a generous time."""
    give_up = time.monotonic() + GIVE_UP_S
    while not (found := condition()):
        assert time.monotonic() < give_up, "it did not happen"
    return found


def faulty(folder: Path, toml: str = "") -> Path:
    return write_project(folder, f'{toml}\n[[flow]]\nmodule = "code"\nfile = "code/fault.py"\n', fault=FAULT)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(faulty(tmp_path / "faulty"), env={"FRAMEMILL_DEADLINE_MS": "5000"}) as running:
        yield running


def post(server: Server, data: str) -> httpx.Response:
    with server.client() as client:
        return client.post(RAW, params={"data": data, "width": 16, "height": 16}, content=FRAME)


def whole(server: Server) -> bool:
    """Whether every wanted worker is ready and every slot is free but the one that keeps the last frame."""
    status = server.status()
    slots, workers = status["slots"], status["workers"]
    return bool(workers["ready"] == workers["wanted"] and slots["free_here"] >= slots["per_front"])


def begin(server: Server, token: str) -> tuple[threading.Thread, list[httpx.Response], Path]:
    """Post a frame that waits for the file `token`; returns when a worker has it, with that file's path."""
    answers: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: answers.append(post(server, f"wait:{token}")))
    thread.start()
    gate = server.project / "code" / token
    until(lambda: pids_of(gate))
    return thread, answers, gate


def pids_of(gate: Path) -> list[int]:
    pids = gate.with_name(f"{gate.name}.pids")
    return [int(pid) for pid in pids.read_text().split()] if pids.exists() else []


def test_a_frame_whose_worker_is_killed_is_done_once_more_and_nobody_else_notices(server: Server) -> None:
    thread, answers, gate = begin(server, "go")
    bystanders = ThreadPoolExecutor(4)
    others = [bystanders.submit(post, server, f"none:{i}") for i in range(200)]
    os.kill(pids_of(gate)[0], signal.SIGKILL)
    until(lambda: len(pids_of(gate)) == 2)
    gate.touch()
    thread.join()
    first, second = pids_of(gate)
    assert answers[0].status_code == 200
    assert answers[0].json()["pid"] == second != first
    assert [answer.result().json()["token"] for answer in others] == [str(i) for i in range(200)]
    bystanders.shutdown()
    until(lambda: whole(server))
    assert server.status()["workers"]["deaths"] == 1


def test_twenty_frames_that_each_kill_one_worker_are_all_answered(server: Server) -> None:
    with ThreadPoolExecutor(4) as cameras:
        answers = list(cameras.map(lambda i: post(server, f"kill-once:{i}"), range(20)))
    assert [answer.json().get("token") for answer in answers] == [str(i) for i in range(20)]
    until(lambda: whole(server))
    assert server.status()["workers"]["deaths"] == 20


def test_a_frame_that_kills_two_workers_gets_an_error_and_is_kept(server: Server) -> None:
    answer = post(server, "kill")
    assert answer.status_code == 500
    assert answer.json()["code"] == "worker_crashed"
    kept = list((server.project / ".framemill" / "quarantine").glob("*.json"))
    assert len(kept) == 1
    assert json.loads(kept[0].read_text())["data"] == "kill"
    assert kept[0].with_suffix(".frame").read_bytes() == FRAME
    until(lambda: whole(server))
    assert server.status()["workers"]["deaths"] == 2
    assert post(server, "none:after").status_code == 200


def test_a_flow_that_is_not_idempotent_is_never_run_twice(tmp_path: Path) -> None:
    with serving(faulty(tmp_path / "once", "idempotent = false")) as server:
        thread, answers, gate = begin(server, "go")
        os.kill(pids_of(gate)[0], signal.SIGKILL)
        thread.join()
        assert answers[0].json()["code"] == "worker_crashed"
        assert len(pids_of(gate)) == 1
        until(lambda: whole(server))


def test_user_code_that_leaves_the_process_is_a_crash_of_its_own_frame_only(server: Server) -> None:
    assert post(server, "exit").json()["code"] == "worker_crashed"
    until(lambda: whole(server))
    assert server.status()["workers"]["deaths"] == 1
    assert post(server, "none:x").json()["token"] == "x"


def test_a_frame_that_overruns_its_deadline_is_an_error_and_its_worker_is_replaced(tmp_path: Path) -> None:
    with serving(faulty(tmp_path / "slow"), env={"FRAMEMILL_DEADLINE_MS": "400"}) as server:
        with ThreadPoolExecutor(3) as cameras:
            late = [cameras.submit(post, server, "spin") for _ in range(3)]  # more than there are workers
            assert [answer.result().json()["code"] for answer in late] == ["deadline_exceeded"] * 3
        until(lambda: whole(server))
        assert post(server, "none:x").json()["token"] == "x"
        assert server.status()["workers"]["killed_for_time"] >= 2


def test_a_worker_that_does_not_hear_is_replaced_and_its_frames_are_not_lost(server: Server) -> None:
    pids = _at_work(server, "before")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    assert post(server, "none:x").json()["token"] == "x"
    until(lambda: all(_is_gone(pid) for pid in pids))  # with or without a frame that waits for them
    until(lambda: whole(server))
    assert not pids & _at_work(server, "after")


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def _fronts_master(server: Server) -> int:
    return next(pid for pid in _children(server.process.pid) if "service.front" in _command(pid))


def _answers(server: Server) -> bool:
    try:
        return post(server, "none:back").status_code == 200
    except httpx.TransportError:
        return False


def test_a_front_that_is_killed_comes_back_with_all_its_slots(server: Server) -> None:
    threads: list[threading.Thread] = []

    def post_to_a_dying_front() -> None:
        with pytest.raises(httpx.TransportError):
            post(server, "wait:go")

    for _ in range(2):
        threads.append(threading.Thread(target=post_to_a_dying_front))
        threads[-1].start()
    gate = server.project / "code" / "go"
    until(lambda: len(pids_of(gate)) == 2)
    os.kill(_children(_fronts_master(server))[0], signal.SIGKILL)
    for thread in threads:
        thread.join()
    gate.touch()  # now the workers finish frames that nobody waits for
    until(lambda: _answers(server))
    until(lambda: whole(server))
    assert server.status()["workers"]["deaths"] == 0


def test_the_fronts_master_that_is_killed_is_started_again(server: Server) -> None:
    master = _fronts_master(server)
    os.kill(master, signal.SIGKILL)
    until(lambda: _answers(server))
    until(lambda: whole(server))
    assert _fronts_master(server) != master


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_nothing_outlives_the_supervisor(server: Server) -> None:
    started = _children(server.process.pid)
    started += [child for pid in started for child in _children(pid)]
    assert len(started) >= 4
    server.process.kill()
    until(lambda: all(_is_gone(pid) for pid in started))


def test_a_server_that_is_asked_to_stop_finishes_its_frames_first(server: Server) -> None:
    thread, answers, gate = begin(server, "go")
    with server.client() as client:
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


@pytest.mark.parametrize(
    "broken", ["this is not python", "import no_such_library\ndef main(context): pass\n"], ids=["syntax", "import"]
)
def test_a_reload_of_a_broken_project_changes_nothing(tmp_path: Path, broken: str) -> None:
    project = write_project(tmp_path / "p", '[[flow]]\nmodule = "code"\nfile = "code/v.py"\n', v=_version(1))
    with serving(project) as server:
        (project / "code" / "v.py").write_text(broken)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: any("the project was not reloaded" in line for line in server.log))
        for _ in range(20):
            assert post(server, "").json()["version"] == 1
        (project / "code" / "v.py").write_text(_version(2))
        server.process.send_signal(signal.SIGHUP)
        until(lambda: server.status()["reloads"] == 1)
        assert post(server, "").json()["version"] == 2
        until(lambda: whole(server))


def test_a_full_server_says_so_at_once_and_recovers(tmp_path: Path) -> None:
    with serving(faulty(tmp_path / "p"), env={"FRAMEMILL_SLOTS": "2", "FRAMEMILL_QUEUE_MS": "50"}) as server:
        first, _, gate = begin(server, "go")
        second = threading.Thread(target=post, args=(server, "wait:go"))
        second.start()
        until(lambda: server.status()["slots"]["free_here"] <= 1)
        third = threading.Thread(target=post, args=(server, "wait:go"))
        third.start()
        until(lambda: server.status()["slots"]["free_here"] == 0)
        answer = post(server, "none:x")
        assert answer.status_code == 429
        assert answer.json()["code"] == "server_busy"
        assert int(answer.headers["Retry-After"]) >= 1
        with server.client() as client:
            assert client.get("/livez").status_code == 200
        gate.touch()
        for thread in (first, second, third):
            thread.join()
        until(lambda: whole(server))
        assert post(server, "none:x").status_code == 200
        assert server.status()["frames"]["refused"] == 1


def _at_work(server: Server, token: str) -> set[int]:
    """The two workers that take frames: each is given one that waits."""
    with ThreadPoolExecutor(2) as cameras:
        answers = [cameras.submit(post, server, f"wait:{token}") for _ in range(2)]
        gate = server.project / "code" / token
        until(lambda: len(pids_of(gate)) == 2)
        gate.touch()
        return {answer.result().json()["pid"] for answer in answers}


def test_a_project_that_loads_slowly_keeps_a_worker_in_reserve(tmp_path: Path) -> None:
    slow = "import time\ntime.sleep(0.3)\n" + FAULT
    project = write_project(tmp_path / "p", '[[flow]]\nmodule = "code"\nfile = "code/fault.py"\n', fault=slow)
    with serving(project) as server:

        def workers() -> set[int]:
            return set(_children(server.process.pid)) - {_fronts_master(server)}

        until(lambda: len(workers()) == 3)
        first = workers()
        victim = _at_work(server, "before").pop()
        os.kill(victim, signal.SIGKILL)
        until(lambda: server.status()["workers"]["deaths"] == 1 and whole(server))
        # the one in reserve had been there, loaded, before the death
        assert _at_work(server, "after") == first - {victim}
        until(lambda: len(workers()) == 3)
