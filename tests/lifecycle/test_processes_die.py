"""Processes die, hang and come back, and no frame is lost or gets another's answer."""

from __future__ import annotations

import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.faults import (
    FAULT,
    FRAME,
    at_work,
    begin,
    children_of,
    faulty,
    faulty_server,  # noqa: F401 - the fixture `server` of this file
    fronts_master,
    is_gone,
    pids_of,
    post,
    until,
    whole,
)
from tests.support.running import Server, serving, write_project
from tests.support.versions import workers_of

pytestmark = pytest.mark.long


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
    pids = at_work(server, "before")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    assert post(server, "none:x").json()["token"] == "x"
    until(lambda: all(is_gone(pid) for pid in pids))  # with or without a frame that waits for them
    until(lambda: whole(server))
    assert not pids & at_work(server, "after")


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
    gate = server.project / "data" / "go"
    until(lambda: len(pids_of(gate)) == 2)
    os.kill(children_of(fronts_master(server))[0], signal.SIGKILL)
    for thread in threads:
        thread.join()
    gate.touch()  # now the workers finish frames that nobody waits for
    until(lambda: _answers(server))
    until(lambda: whole(server))
    assert server.status()["workers"]["deaths"] == 0


def test_the_fronts_master_that_is_killed_is_started_again(server: Server) -> None:
    master = fronts_master(server)
    os.kill(master, signal.SIGKILL)
    until(lambda: _answers(server))
    until(lambda: whole(server))
    assert fronts_master(server) != master


def test_nothing_outlives_the_supervisor(server: Server) -> None:
    started = children_of(server.process.pid)
    started += [child for pid in started for child in children_of(pid)]
    assert len(started) >= 4
    server.process.kill()
    until(lambda: all(is_gone(pid) for pid in started))


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


def test_a_project_that_each_worker_loads_slowly_keeps_one_in_reserve(tmp_path: Path) -> None:
    slow = "import time\ntime.sleep(0.3)\n" + FAULT
    toml = 'fork = false\n[[flow]]\nmodule = "code"\nfile = "code/fault.py"\n'
    with serving(write_project(tmp_path / "p", toml, fault=slow)) as server:
        until(lambda: len(workers_of(server)) == 3)
        first = workers_of(server)
        victim = at_work(server, "before").pop()
        os.kill(victim, signal.SIGKILL)
        until(lambda: server.status()["workers"]["deaths"] == 1 and whole(server))
        # the one in reserve had been there, loaded, before the death
        assert at_work(server, "after") == first - {victim}
        until(lambda: len(workers_of(server)) == 3)
