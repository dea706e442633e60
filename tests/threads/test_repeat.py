"""A request that repeats the one before it is answered as if it had been understood anew."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.faults import until
from tests.support.pictures import png
from tests.support.running import Server, serving, write_project

HEAD = b"POST /analyze_raw_image?width=8&height=4&data=%s HTTP/1.1\r\nHost: camera\r\nContent-Length: 32\r\n\r\n"


@pytest.fixture
def line(server: Server) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
        yield connection


def answer(line: socket.socket) -> tuple[int, dict[str, str], dict[str, Any]]:
    response = HTTPResponse(line, method="POST")
    response.begin()
    body = json.loads(response.read())
    return response.status, {name.lower(): value for name, value in response.getheaders()}, body


def frame(value: int) -> bytes:
    return bytes([value]) * 32


def test_each_frame_gets_its_own_answer(line: socket.socket) -> None:
    for value in range(1, 200):
        data = b"a" if value % 7 else b"b"
        line.sendall(HEAD % data + frame(value))
        status, _, context = answer(line)
        assert status == 200
        assert context["seen"] == {"data": data.decode(), "shape": [4, 8, 3], "sum": 3 * 32 * value}


def test_the_answer_looks_the_same(line: socket.socket) -> None:
    seen = []
    for _ in range(3):
        line.sendall(HEAD % b"a" + frame(9))
        status, headers, context = answer(line)
        seen.append((status, {**headers, "content-length": "", "date": "", "x-request-id": ""}, sorted(context)))
    assert seen[0] == seen[1] == seen[2]


def test_a_body_may_come_in_pieces(line: socket.socket) -> None:
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for size in (1, 3, 40, 97):
        whole = HEAD % b"a" + frame(size)
        for start in range(0, len(whole), size):
            line.sendall(whole[start : start + size])
        assert answer(line)[2]["seen"]["sum"] == 3 * 32 * size


def test_requests_that_come_together_are_answered_in_order(line: socket.socket) -> None:
    line.sendall(b"".join(HEAD % b"a" + frame(value) for value in range(10)))
    with line.makefile("rb") as stream:
        for value in range(10):
            head = b"".join(iter(stream.readline, b"\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            assert json.loads(stream.read(length))["seen"]["sum"] == 3 * 32 * value


def test_a_body_that_ends_early_is_never_completed(line: socket.socket) -> None:
    line.sendall(HEAD % b"a" + frame(1))
    answer(line)
    line.sendall(HEAD % b"a" + frame(1)[:20])
    line.shutdown(socket.SHUT_WR)
    status, headers, problem = answer(line)
    assert (status, problem["code"], headers["connection"]) == (400, "incomplete_body", "close")
    assert line.recv(1) == b""


def test_a_refused_frame_costs_only_itself(line: socket.socket) -> None:
    good = png(np.zeros((10, 10, 3), np.uint8))
    damaged = good[:-20] + bytes(8) + good[-12:]
    head = b"POST /analyze_image HTTP/1.1\r\nHost: camera\r\nContent-Length: %d\r\n\r\n" % len(good)
    for body, expected in ((good, 200), (good, 200), (damaged, 422), (good, 200)):
        line.sendall(head + body)
        status, headers, document = answer(line)
        assert status == expected, document
        assert headers["connection"] == "keep-alive"
        if expected == 422:
            assert headers["content-type"] == "application/problem+json"
            assert document["error"] is True


def test_other_requests_may_come_between(line: socket.socket) -> None:
    for value in range(6):
        line.sendall(HEAD % b"a" + frame(value))
        assert answer(line)[2]["seen"]["sum"] == 3 * 32 * value
        line.sendall(b"GET /api/v1/status HTTP/1.1\r\nHost: camera\r\n\r\n")
        assert answer(line)[2]["project"].startswith("mark")


@pytest.mark.long
def test_switching_process_off_is_seen_at_once(tmp_path: Path) -> None:
    with (
        serving(write_project(tmp_path / "p")) as server,
        server.client() as client,
        socket.create_connection(("127.0.0.1", server.port), 30) as line,
    ):
        for processing in (True, False, True):
            client.put("/api/v1/process", json={"process": processing}).raise_for_status()
            for _ in range(3):
                line.sendall(HEAD % b"a" + frame(1))
                assert answer(line)[2]["processing"] is processing


def test_files_of_all_lengths_get_their_own_answers(line: socket.socket) -> None:
    head = b"POST /analyze_image HTTP/1.1\r\nHost: camera\r\nContent-Length: %d\r\n\r\n"
    for side in (*range(1, 40), *range(200, 210), 7):
        body = png(np.full((side, side, 3), side, np.uint8))
        line.sendall(head % len(body) + body)
        status, _, context = answer(line)
        assert (status, context["seen"]["sum"]) == (200, 3 * side**3)


@pytest.mark.parametrize(("length", "status"), [(31, 400), (0, 400), (10**9, 413)])
def test_a_length_that_is_not_the_frames_is_refused_as_ever(line: socket.socket, length: int, status: int) -> None:
    for _ in range(3):
        line.sendall(HEAD % b"a" + frame(3))
        assert answer(line)[0] == 200
    line.sendall((HEAD % b"a").replace(b": 32", b": %d" % length) + frame(3)[:length])
    assert answer(line)[0] == status


@pytest.mark.long
def test_more_cameras_than_slots_all_get_answers(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", "[server]\nslots = 2\nqueue_ms = 60000\n")
    statuses: list[int] = []

    def camera(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), 30) as line:
            for value in range(50):
                line.sendall(HEAD % b"a" + frame(value))
                statuses.append(answer(line)[0])

    with serving(project) as server:
        cameras = [threading.Thread(target=camera, args=(server.port,)) for _ in range(12)]
        for one in cameras:
            one.start()
        for one in cameras:
            one.join()
    assert statuses == [200] * 600


@pytest.mark.long
def test_a_camera_for_which_there_is_no_slot_is_told_so(tmp_path: Path) -> None:
    slow = "import time\ndef main(context):\n    time.sleep(1 if context['data'] == 'slow' else 0)\n"
    toml = '[server]\nslots = 2\nqueue_ms = 0\n[[flow]]\nmodule = "code"\nfile = "code/slow.py"\n'
    with (
        serving(write_project(tmp_path / "p", toml, slow=slow)) as server,
        socket.create_connection(("127.0.0.1", server.port), 30) as line,
        socket.create_connection(("127.0.0.1", server.port), 30) as first,
        socket.create_connection(("127.0.0.1", server.port), 30) as second,
    ):
        line.sendall(HEAD % b"a" + frame(1))
        assert answer(line)[0] == 200
        for other in (first, second):
            other.sendall(HEAD % b"slow" + frame(1))
        until(lambda: server.status()["workers"]["busy"] == 2)
        line.sendall(HEAD % b"a" + frame(1))
        status, headers, problem = answer(line)
        assert (status, problem["code"], headers["retry-after"]) == (429, "server_busy", "1")
        assert [answer(other)[0] for other in (first, second)] == [200, 200]
