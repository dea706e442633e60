"""Clients that are slow, silent, or never read: they hold no slot, no thread, and nobody up."""

from __future__ import annotations

import select
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.clients.bystanders import good_cameras
from tests.clients.front_costs import front_bytes, front_sockets
from tests.clients.raw_http import Connection, frame_request
from tests.support.children import from_debian
from tests.support.faults import until
from tests.support.running import Server, serving, write_project

_HEAD = b"POST /analyze_raw_image?width=64&height=64&pixel_format=Mono8&data=slow HTTP/1.1\r\nHost: slow\r\n"
_BODY = _HEAD + b"Content-Length: 4096\r\n\r\n" + bytes(1000)
_CHUNKS = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
_SIDE = 1200  # px; a picture of noise then has more bytes than a kernel buffers for a client that does not read

NOISE = """
import numpy as np

def main(context):
    context["image"] = np.random.default_rng(0).integers(0, 256, (1200, 1200, 3), np.uint8)
"""


def _all_free(server: Server) -> bool:
    slots = server.status()["slots"]
    return bool(slots["free_here"] >= slots["per_front"])


@contextmanager
def _clients(server: Server, count: int, sent: bytes, *, receive_bytes: int = 0) -> Iterator[list[Connection]]:
    """So many connections that have sent this, from another address than the good cameras'."""
    source = "127.0.0.2"
    with ExitStack() as stack:
        clients = [
            stack.enter_context(Connection(server.port, receive_bytes=receive_bytes, source=source))
            for _ in range(count)
        ]
        for client in clients:
            client.send(sent)
        yield clients


def _inspects(server: Server) -> bool:
    with Connection(server.port) as client:
        client.send(frame_request("good"))
        answer = client.answer()
    return answer is not None and answer.status == 200 and answer.json()["seen"]["data"] == "good"


@pytest.mark.parametrize("sent", [_HEAD, _BODY, b""], ids=["heads", "bodies", "silence"])
def test_more_slow_clients_than_threads_do_not_stop_the_server(server: Server, sent: bytes) -> None:
    with _clients(server, 300, sent):
        assert all(_inspects(server) for _ in range(10))
        until(lambda: _all_free(server))


def _trickle(clients: list[Connection], piece: bytes, turn_s: float) -> list[Connection]:
    """Send a little to each client, wait for a moment, and return those that have no answer yet."""
    poll = selectors.DefaultSelector()
    for client in clients:
        client.send(piece)
        poll.register(client.sock, selectors.EVENT_READ, client)
    give_up = time.monotonic() + turn_s
    while poll.get_map() and (left_s := give_up - time.monotonic()) > 0:
        for key, _ in poll.select(left_s):
            poll.unregister(key.fileobj)
    waiting = [key.data for key in poll.get_map().values()]
    poll.close()
    return waiting


@pytest.mark.long
def test_sending_a_little_now_and_then_wins_no_time(tmp_path: Path) -> None:
    ways = [
        (_HEAD, b"A: b\r\n", "head_too_slow"),
        (_BODY, b"x", "body_too_slow"),
        (_CHUNKS, b"1\r\nx\r\n", "body_too_slow"),
    ]
    server = serving(write_project(tmp_path / "p"), env={"FRAMEMILL_BODY_MS": "3000"})
    with server as running, ExitStack() as stack:
        slow = [stack.enter_context(_clients(running, 10, sent)) for sent, _, _ in ways]
        waiting = slow
        while any(waiting):
            waiting = [_trickle(who, piece, 0.1) for who, (_, piece, _) in zip(waiting, ways, strict=True)]
        for clients, (_, _, code) in zip(slow, ways, strict=True):
            for client in clients:
                answer = client.answer()
                assert answer is not None
                assert (answer.status, answer.json()["code"], answer.closes) == (408, code, True)


def _picture_server(folder: Path) -> Path:
    return write_project(folder, '[[flow]]\nmodule = "code"\nfile = "code/noise.py"\n', noise=NOISE)


def _non_readers(tmp_path: Path, count: int) -> None:
    request = frame_request("x").replace(b"&data", b"&response_type=image&data")
    with serving(_picture_server(tmp_path / "p"), env={"FRAMEMILL_SEND_MS": "5000"}) as server:
        for _ in range(0, count, 100):
            with _clients(server, min(count, 100), request, receive_bytes=2048):
                until(lambda: _all_free(server))
        with Connection(server.port) as client:
            client.send(request)
            answer = client.answer()
        assert answer is not None
        assert answer.status == 200
        assert len(answer.body) > _SIDE * _SIDE


@pytest.mark.soak
def test_1000_clients_that_never_read_hold_no_slot(tmp_path: Path) -> None:
    _non_readers(tmp_path, 1000)


@pytest.mark.long
def test_clients_that_never_read_hold_no_slot(tmp_path: Path) -> None:
    _non_readers(tmp_path, 30)


def _beside(server: Server, disturb: Callable[[], object]) -> None:
    """Good traffic beside a disturbance: no failure, and 99 of 100 answers in twice their time or 50 ms more."""
    with good_cameras(server) as calm:
        time.sleep(10)
    with good_cameras(server) as seen:
        disturb()
    assert seen.failures == []
    assert len(seen.times_s) > 100
    assert seen.late_s() <= max(2 * calm.late_s(), calm.late_s() + 0.050), (seen.late_s(), calm.late_s())
    until(lambda: _all_free(server))


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_1000_slow_clients_beside_good_traffic_cost_it_nothing(server: Server) -> None:
    picture = frame_request("x", bytes(4096)).replace(b"&data", b"&response_type=image&data")
    kinds = [(_HEAD, b"A: b\r\n"), (_BODY, b"x"), (picture, b""), (b"", b"")]

    def disturb() -> None:
        end_s = time.monotonic() + 60
        while time.monotonic() < end_s:
            with ExitStack() as stack:
                slow = [stack.enter_context(_clients(server, 250, sent, receive_bytes=2048)) for sent, _ in kinds]
                turn_s = min(end_s, time.monotonic() + 8)
                while time.monotonic() < turn_s:
                    for clients, (_, piece) in zip(slow, kinds, strict=True):
                        _trickle(clients, piece, 0.2)

    _beside(server, disturb)


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", ["-H", "-B", "-X"], ids=["heads", "bodies", "readers"])
def test_slowhttptest_cannot_keep_the_server_from_good_traffic(server: Server, way: str) -> None:
    options = ["-c", "1000", "-r", "200", "-i", "1", "-l", "30", "-p", "5", "-u"]
    command = [from_debian("slowhttptest"), way, *options, f"{server.url}/ping"]
    _beside(server, lambda: subprocess.check_call(command, stdout=subprocess.DEVNULL, timeout=200))


IDLE = """
import socket, sys
held = [socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60, ("127.0.0.2", 0)) for _ in range(5000)]
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_20_000_idle_connections_cost_little_memory_and_nobody_else(server: Server) -> None:
    assert _inspects(server)
    bytes_before, sockets_before = front_bytes(server), front_sockets(server)

    def disturb() -> None:
        command = [sys.executable, "-c", IDLE, str(server.port)]
        with ExitStack() as stack:
            # more processes than one, for each may only have so many descriptors
            idle = [
                stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
                for _ in range(4)
            ]
            for process in idle:
                assert process.stdout is not None
                assert process.stdout.readline() == b"ready\n"
            held = front_sockets(server) - sockets_before
            cost = front_bytes(server) - bytes_before
            assert all(_inspects(server) for _ in range(50))
            assert held > 1000
            assert cost <= held * 30_000, (cost, held)

    _beside(server, disturb)


def _is_closed(client: Connection) -> bool:
    poll = select.poll()
    poll.register(client.sock, select.POLLIN)
    return bool(poll.poll(0))  # none of them has anything else to read than the end


@pytest.mark.long
def test_who_fills_the_server_with_connections_loses_them_and_nobody_else(tmp_path: Path) -> None:
    few = ["sh", "-c", 'ulimit -n 330; exec "$@"', "few"]
    project = write_project(tmp_path / "p")
    with (
        serving(project, "--fronts", "1", launcher=few) as server,
        Connection(server.port) as camera,  # from then on it has been idle for longest
        _clients(server, 400, b"") as crowd,
    ):
        until(lambda: sum(map(_is_closed, crowd)) > 20)
        camera.send(frame_request("frame"))
        answer = camera.answer()
        assert answer is not None
        assert answer.status == 200
