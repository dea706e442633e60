"""While one server takes over from another they are one server: one switch, the same sessions, ended together."""

from __future__ import annotations

import http.client
import json
import os
import selectors
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clients.guests import add_key
from tests.succession.upgrades import Line, line_of_servers
from tests.support.faults import FRAME, GIVE_UP_S, RAW, children_of, is_gone, until
from tests.support.running import Server, serving, write_project
from workers.supervisor.successor import KILL, READY, STOP, Started, Successor

pytestmark = pytest.mark.long

_FOLLOWED = "answers in place"


def _family(pid: int) -> list[int]:
    return [pid, *(member for child in children_of(pid) for member in _family(child))]


def _post_until(over: threading.Event, port: int, seen: list[tuple[float, bool]]) -> None:
    """Post frames, each over a connection of its own; notes when each was sent and whether it was inspected."""
    while not over.is_set():
        sent_s = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", RAW, FRAME)
        seen.append((sent_s, json.loads(connection.getresponse().read())["processing"]))
        connection.close()


def test_what_is_switched_off_while_both_answer_is_off_for_both(tmp_path: Path) -> None:
    over = threading.Event()
    seen: list[tuple[float, bool]] = []
    with line_of_servers(write_project(tmp_path / "p"), tmp_path / "code", "--fronts", "2") as line:
        cameras = [threading.Thread(target=_post_until, args=(over, line.server.port, seen)) for _ in range(4)]
        for camera in cameras:
            camera.start()
        line.ask()
        until(lambda: line.said(_FOLLOWED))
        with line.server.client() as client:
            assert client.put("/api/v1/process", json={"process": False}).json() == {"process": False}
        thrown_s = time.monotonic()
        assert line.server.process.wait(GIVE_UP_S) == 0
        until(lambda: sum(sent_s > thrown_s for sent_s, _ in seen) > 200)
        over.set()
        for camera in cameras:
            camera.join()
    assert any(inspected for sent_s, inspected in seen if sent_s < thrown_s)
    assert [sent_s for sent_s, inspected in seen if inspected and sent_s > thrown_s] == []


def test_one_who_is_asked_to_stop_when_another_took_over_asks_that_one_too(tmp_path: Path) -> None:
    with line_of_servers(write_project(tmp_path / "p"), tmp_path / "code") as line:
        (connection := http.client.HTTPConnection("127.0.0.1", line.server.port)).connect()
        line.ask()
        until(lambda: line.said(_FOLLOWED))
        family = [pid for child in _pids_of_line(line) for pid in _family(child)]
        line.server.process.send_signal(signal.SIGTERM)
        assert line.server.process.wait(GIVE_UP_S) == 0
        until(lambda: all(map(is_gone, family)))
        assert line.said("all ended by themselves") == 2
        connection.close()


def _pids_of_line(line: Line) -> list[int]:
    return [line.pid, *line.pids()]


@pytest.mark.parametrize("wait_s", [0.05, 0.3, 0.6, 0.9])
def test_asked_to_stop_at_any_moment_of_a_takeover_nothing_is_left(tmp_path: Path, wait_s: float) -> None:
    with line_of_servers(write_project(tmp_path / "p"), tmp_path / "code") as line:
        line.ask()
        until(lambda: line.said("another server is started"))
        time.sleep(wait_s)  # any moment will do
        known = set(_family(line.pid))
        line.server.process.send_signal(signal.SIGTERM)
        assert line.server.process.wait(GIVE_UP_S) == 0
        until(lambda: all(map(is_gone, known | set(line.pids()))))


@contextmanager
def _successor(asked: list[str]) -> Iterator[tuple[Successor, selectors.BaseSelector, socket.socket, int]]:
    """A Successor with a process that only waits, and that process's end of the pair of sockets."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(["sleep", "600"])
    selector = selectors.DefaultSelector()
    made = Successor(
        lambda: Started(process, ours),
        selector,
        lambda _: asked.append("ready"),
        lambda: asked.append("failed"),
        lambda: asked.append("stop"),
    )
    made.start(60)
    try:
        yield made, selector, theirs, process.pid
    finally:
        process.kill()
        process.wait()
        theirs.close()
        ours.close()
        selector.close()


def test_one_that_has_just_said_that_it_is_ready_is_asked_and_not_killed() -> None:
    asked: list[str] = []
    with _successor(asked) as (successor, _, link, pid):
        link.send(READY)
        assert successor.stop()
        assert asked == ["ready"]
        assert not successor.stop()
        assert (link.recv(64), link.recv(64)) == (STOP, KILL)
        assert not is_gone(pid)


def test_one_that_is_asked_over_http_before_it_is_ready_passes_it_on() -> None:
    asked: list[str] = []
    with _successor(asked) as (_, selector, link, _):
        link.send(STOP)
        for key, _ in selector.select(10):
            key.data()
        assert asked == ["stop"]


@pytest.fixture(name="guarded")
def guarded_server(tmp_path: Path) -> Iterator[tuple[Server, str]]:
    key = add_key("visitor", "operate", tmp_path / "keys.toml")
    arguments = ("--keys-file", str(tmp_path / "keys.toml"), "--fronts", "2")
    with serving(write_project(tmp_path / "p"), *arguments) as server:
        yield server, key


def _master(server: Server) -> int:
    pids = children_of(server.process.pid)
    return next(pid for pid in pids if b"service.server.front" in Path(f"/proc/{pid}/cmdline").read_bytes())


def test_who_has_opened_the_page_and_who_tried_keys_stays_known_when_the_fronts_master_is_killed(
    guarded: tuple[Server, str],
) -> None:
    server, key = guarded
    with server.client() as client:
        assert client.get("/", params={"api_key": key}, follow_redirects=True).status_code == 200
        cookie = client.cookies["framemill"]
    with server.client() as client:
        wrong = [client.get("/", headers={"X-API-Key": str(number)}).status_code for number in range(11)]
        assert wrong == [401] * 10 + [429]
    master = _master(server)
    fronts = children_of(master)
    os.kill(master, signal.SIGKILL)
    until(lambda: all(map(is_gone, fronts)))
    with server.client(Cookie=f"framemill={cookie}") as client:
        assert until(lambda: client.get("/").status_code) == 200
    with server.client() as client:
        assert client.get("/", headers={"X-API-Key": "other"}).status_code == 429


def test_who_has_opened_the_page_stays_known_to_the_next_server(tmp_path: Path) -> None:
    with line_of_servers(write_project(tmp_path / "q"), tmp_path / "other", env={"FRAMEMILL_API_KEY": "k-ey"}) as line:
        with line.server.client() as client:
            assert client.get("/", params={"api_key": "k-ey"}, follow_redirects=True).status_code == 200
            cookie = client.cookies["framemill"]
        line.upgrade()
        with line.server.client(Cookie=f"framemill={cookie}") as client:
            assert client.get("/").status_code == 200
