"""Answers that their clients do not read at once: every kind of them, plain and over TLS.

They wait without a thread and without a slot; who reads in time gets every byte, who does not is cut off.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.bystanders import good_cameras
from tests.clients.front_costs import blocked_in_send
from tests.clients.non_readers import Way, certificate
from tests.clients.raw_http import Answer, Connection, frame_request
from tests.clients.unread import never_reading
from tests.support.faults import until
from tests.support.running import serving, write_project

LARGE = """
import numpy as np

NOISE = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)

def main(context):
    data = context["data"]
    if data.startswith("long"):
        context["long"] = "x" * int(data[4:])
    if data.startswith("picture"):
        context["image"] = NOISE
    context["seen"] = {"data": data}
"""
_FLOW = '[[flow]]\nmodule = "code"\nfile = "code/large.py"\n'
_MANY = 2000  # pings, whose answers are more than any kernel buffers for such a client
_PING = b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n"
_LONG = frame_request("long200000")
_PICTURE = frame_request("picture").replace(b"&data", b"&response_type=image&data")


def _project(folder: Path) -> Path:
    return write_project(folder, _FLOW, large=LARGE)


@pytest.fixture(scope="module", params=["plain", "tls"])
def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    """A server, reached without and with TLS."""
    folder = tmp_path_factory.mktemp("unread")
    is_tls = request.param == "tls"
    with serving(_project(folder / "p"), "--fronts", "1", env=certificate(folder) if is_tls else {}) as server:
        yield Way(server, ssl.create_default_context(cafile=f"{folder}/ours.pem") if is_tls else None)


@dataclass(frozen=True, slots=True)
class _Kind:
    """A request, how often it is sent before anything is read, and what is right for an answer."""

    request: bytes
    times: int
    is_right: Callable[[Answer], bool]
    to_head: bool = False


def _is_long(answer: Answer) -> bool:
    return answer.status == 200 and answer.json()["long"] == "x" * 200_000


def _is_picture(answer: Answer) -> bool:
    # noise does not get smaller; a picture that lacks a part has no end
    return answer.status == 200 and len(answer.body) > 400_000 and answer.body[-8:-4] == b"IEND"


def _is(status: int, *words: bytes) -> Callable[[Answer], bool]:
    return lambda answer: answer.status == status and all(word in answer.body for word in words)


_EXPECTING = frame_request("long200000", b"abcd", "Expect: 100-continue")
_KINDS = {
    "context, and the same again": _Kind(_LONG, 3, _is_long),
    "context after 100-continue": _Kind(_EXPECTING, 3, _is_long),
    "picture": _Kind(_PICTURE, 3, _is_picture),
    "last image": _Kind(b"GET /last_image?response_type=image HTTP/1.1\r\nHost: a\r\n\r\n", 3, _is_picture),
    "error": _Kind(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", 400, _is(404, b"}")),
    "error of a frame": _Kind(frame_request("x").replace(b"width=4", b"width=5"), 300, _is(400, b"}")),
    "probe": _Kind(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n", 400, _is(200)),
    "ping": _Kind(_PING, 400, _is(200)),
    "page": _Kind(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 40, _is(200, b"</html>")),
    "metrics": _Kind(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 60, _is(200, b"framemill_connections_cut_off")),
    "head": _Kind(b"HEAD /nothing HTTP/1.1\r\nHost: a\r\n\r\n", 400, _is(404), to_head=True),
}


@pytest.mark.parametrize("kind", _KINDS.values(), ids=_KINDS.keys())
def test_who_reads_late_gets_every_byte_and_held_nobody_up(way: Way, kind: _Kind) -> None:
    if kind is _KINDS["last image"]:
        with way.connect() as camera:
            camera.send(_PICTURE)
            assert camera.answer() is not None
    with way.connect() as client:
        client.send(kind.request * kind.times + _PING.replace(b"Host", b"Connection: close\r\nHost"))
        way.await_held()
        assert blocked_in_send(way.server) == 0
        for number in range(kind.times):
            answer = client.answer(to_head=kind.to_head)
            assert answer is not None, number
            assert kind.is_right(answer), (number, answer)
            assert not answer.closes
        last = client.answer()
        assert last is not None
        assert (last.status, last.closes) == (200, True)
        assert client.answer() is None
    way.await_nothing()
    assert way.cut_off() == 0


@pytest.mark.parametrize(
    ("bad", "status"),
    [(b"GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n", 400), (b"GET /ping HTTP/9.9\r\nHost: a\r\n\r\n", 400),
     (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414)],
    ids=["header", "version", "target"],
)  # fmt: skip
def test_what_cannot_be_read_is_answered_behind_what_was_asked_before(way: Way, bad: bytes, status: int) -> None:
    with way.connect() as client:
        client.send(_LONG * 2 + bad)
        way.await_held()
        for _ in range(2):
            answer = client.answer()
            assert answer is not None
            assert _is_long(answer)
        refused = client.answer()
        assert refused is not None
        assert (refused.status, refused.closes) == (status, True)
        assert client.answer() is None
    way.await_nothing()


def test_while_an_answer_waits_no_further_request_is_begun(way: Way) -> None:
    before = way.status()["frames"]["answered"]
    with way.connect() as client:
        client.send(_LONG + frame_request("next") * 5)
        way.await_held()
        assert way.status()["frames"]["answered"] == before + 1
        for data in ["long200000", *["next"] * 5]:
            answer = client.answer()
            assert answer is not None
            assert answer.json()["seen"] == {"data": data}
    assert way.status()["frames"]["answered"] == before + 6


@pytest.fixture(params=["plain", "tls"])
def short_way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Way]:
    """A server that gives clients a second for their answers."""
    is_tls = request.param == "tls"
    env = {"FRAMEMILL_SEND_MS": "1000", **(certificate(tmp_path) if is_tls else {})}
    with serving(_project(tmp_path / "p"), "--fronts", "1", env=env) as server:
        yield Way(server, ssl.create_default_context(cafile=f"{tmp_path}/ours.pem") if is_tls else None)


@pytest.mark.long
def test_who_never_reads_is_cut_off_in_time(short_way: Way) -> None:
    with ExitStack() as stack:
        asked = {_LONG: 1, _PICTURE: 1, _PING * _MANY: _MANY, _LONG + b"GET / HTTP/9.9\r\n\r\n": 2}
        clients = [stack.enter_context(short_way.connect()) for _ in asked]
        for client, request in zip(clients, asked, strict=True):
            client.send(request)
        until(lambda: short_way.cut_off() == len(clients))
        short_way.await_nothing()
        assert all(_answers(client) < count for client, count in zip(clients, asked.values(), strict=True))
    assert short_way.server.stop() == 0
    assert "were cut off: their clients did not take their answers" in "".join(short_way.server.log)


def _answers(client: Connection) -> int:
    """How many whole answers still come."""
    count = 0
    with suppress(AssertionError, OSError):  # a part of an answer is none
        while client.answer() is not None:
            count += 1
    return count


def _read_in_steps(sock: socket.socket, step_bytes: int, step_s: float) -> int:
    """Read so much at a time until the end; returns how much that was."""
    read = 0
    sock.settimeout(60)
    while True:
        try:
            piece = sock.recv(step_bytes)
        except ConnectionResetError:
            return read
        if not piece:
            return read
        read += len(piece)
        time.sleep(step_s)  # how fast it reads is what is tested


@pytest.mark.long
def test_who_reads_too_slowly_is_cut_off_and_who_reads_slowly_gets_all_of_it(tmp_path: Path) -> None:
    with serving(_project(tmp_path / "p"), "--fronts", "1") as server:
        way = Way(server)
        request = frame_request("long900000", b"abcd", "Connection: close")
        with way.connect() as client:
            client.send(request)
            assert _read_in_steps(client.sock, 100, 0.01) < 900_000
        assert way.cut_off() == 1
        with way.connect(receive_bytes=64 << 10, segment_bytes=1448) as client:
            client.send(request)
            assert _read_in_steps(client.sock, 9_000, 0.015) > 900_000
        assert way.cut_off() == 1
        way.await_nothing()


def _server_sides(port: int) -> list[str]:
    """The states of all connections to a port that the kernel has at the server's end, but for the listener."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [row[3] for row in rows if row[1].endswith(f":{port:04X}") and row[3] != "0A"]


@pytest.mark.long
def test_what_the_kernel_has_taken_is_not_kept_for_ever_either(tmp_path: Path) -> None:
    with (
        serving(_project(tmp_path / "p"), "--fronts", "1") as server,
        Connection(server.port, receive_bytes=2048) as client,
    ):
        client.send(frame_request("long300000", b"abcd", "Connection: close"))
        until(lambda: _server_sides(server.port) == ["04"])  # FIN_WAIT1: we have closed, the kernel goes on
        until(lambda: not _server_sides(server.port))
        assert Way(server).cut_off() == 0


@pytest.mark.long
def test_a_crowd_that_never_reads_is_not_noticed_by_good_cameras(tmp_path: Path) -> None:
    with serving(_project(tmp_path / "p"), "--fronts", "1") as server:
        for request in (_PING, frame_request("long900000")):
            with good_cameras(server) as seen, never_reading(server.port, 250, request):
                until(lambda: len(seen.times_s) > 50)
                assert blocked_in_send(server) == 0
            assert seen.failures == []
        until(lambda: Way(server).status()["connections"]["unread_bytes_here"] == 0)


@pytest.mark.long
@pytest.mark.parametrize("keepalive_s", ["0", "1"])
def test_who_connects_and_speaks_late_is_answered_however_short_connections_may_idle(
    tmp_path: Path, keepalive_s: str
) -> None:
    with (
        serving(write_project(tmp_path / "p"), env={"FRAMEMILL_KEEPALIVE_S": keepalive_s}) as server,
        Connection(server.port) as client,
    ):
        time.sleep(1.3)  # the time that it says nothing is what is tested
        client.send(_PING)
        answer = client.answer()
        assert answer is not None
        assert (answer.status, answer.closes) == (200, keepalive_s == "0")
        assert client.answer() is None
