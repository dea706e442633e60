"""Several fronts: all have as many connections, nobody waits for one that hangs, who comes early waits until READY."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from tests.clients.raw_http import Connection
from tests.support.faults import FRAME, RAW, children_of, until
from tests.support.running import Server, serving, write_project
from workers.settings import fronts_for

pytestmark = pytest.mark.long

_ASK = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
_CAMERAS = 24
_SLOW = """
import os, pathlib, time
data = pathlib.Path(os.environ["FRAMEMILL_DATA"])
while (data / "hold").exists():
    time.sleep(0.005)

def main(context):
    pass
"""


@pytest.fixture(name="server")
def server_with_four_fronts(tmp_path: Path) -> Iterator[Server]:
    env = {"FRAMEMILL_MAX_FRAME_MIB": "1", "FRAMEMILL_MAX_REPLY_MIB": "1"}
    with serving(write_project(tmp_path / "p"), "--fronts", "4", "--workers", "1", env=env) as running:
        yield running


@pytest.fixture(name="asker")
def client_that_stays(server: Server) -> Iterator[httpx.Client]:
    """Who asks how many each front has: over one connection, which is there from the start and counts as one."""
    with server.client() as client:
        assert _shares(client, 0)
        yield client


def _shares_now(asker: httpx.Client) -> list[int]:
    with suppress(httpx.TransportError):  # its front may have been killed: it connects anew
        found: list[int] = asker.get("/api/v1/status").json()["connections"]["per_front"]
        return found
    return _shares_now(asker)


def _shares(asker: httpx.Client, cameras: int) -> list[int]:
    """How many connections each front has, once they are as many as there are cameras, and the one that asks."""
    shares: list[int] = until(lambda: found if sum(found := _shares_now(asker)) == cameras + 1 else [])
    return shares


def _are_even(shares: list[int]) -> bool:
    return max(shares) - min(shares) <= 2  # two that have as many may both take one that comes


def _connect_and_ask(server: Server) -> Connection:
    connection = Connection(server.port)
    connection.send(_ASK)
    return connection


def _is_answered(connection: Connection) -> bool:
    answer = connection.answer()
    return answer is not None and answer.status == 200


def test_connections_that_come_one_after_the_other_are_shared_evenly(server: Server, asker: httpx.Client) -> None:
    with ExitStack() as stack:
        for number in range(1, _CAMERAS + 1):
            assert _is_answered(stack.enter_context(_connect_and_ask(server)))
            assert _are_even(_shares(asker, number))
    assert sum(_shares(asker, 0)) == 1


def test_connections_that_come_at_once_are_shared_evenly(server: Server, asker: httpx.Client) -> None:
    with ExitStack() as stack:
        cameras = [stack.enter_context(_connect_and_ask(server)) for _ in range(_CAMERAS)]
        assert all(map(_is_answered, cameras))
        assert _are_even(_shares(asker, _CAMERAS))


def test_a_front_that_comes_in_place_of_one_that_died_has_the_next_ones(server: Server, asker: httpx.Client) -> None:
    with ExitStack() as stack:
        for _ in range(_CAMERAS):
            assert _is_answered(stack.enter_context(_connect_and_ask(server)))
        (master,) = [pid for pid in children_of(server.process.pid) if len(children_of(pid)) == 4]
        os.kill(children_of(master)[0], signal.SIGKILL)
        until(lambda: min(_shares_now(asker)) <= 1)
        # the others take what comes before its loop has begun
        more = (_is_answered(stack.enter_context(_connect_and_ask(server))) for _ in range(4 * _CAMERAS))
        assert any(answered and _are_even(_shares_now(asker)) for answered in more)


def test_nobody_waits_for_a_front_that_hangs(server: Server) -> None:
    (master,) = [pid for pid in children_of(server.process.pid) if len(children_of(pid)) == 4]
    hangs = children_of(master)[0]
    with ExitStack() as stack:
        os.kill(hangs, signal.SIGSTOP)  # it has no connection, and says so
        try:
            for _ in range(40):
                connection = stack.enter_context(_connect_and_ask(server))
                connection.sock.settimeout(10)
                assert _is_answered(connection)
        finally:
            os.kill(hangs, signal.SIGCONT)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _wait_for_port(port: int) -> socket.socket:
    def connected() -> socket.socket | None:
        try:
            return socket.create_connection(("127.0.0.1", port), 60)
        except ConnectionRefusedError:
            return None

    found: socket.socket = until(connected)
    return found


@pytest.mark.parametrize("fronts", ["1", "2"])
def test_who_comes_before_the_server_is_ready_waits_until_then_and_is_answered(tmp_path: Path, fronts: str) -> None:
    project = write_project(tmp_path / "p", '[[flow]]\nmodule = "code"\nfile = "code/slow.py"\n', slow=_SLOW)
    hold = project / "data" / "hold"
    hold.parent.mkdir()
    hold.touch()
    port = _free_port()
    statuses: list[int] = []
    ready = threading.Event()
    early: list[bool] = []

    def camera(path: str, frame: bytes | None) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
            answer = client.get(path) if frame is None else client.post(path, content=frame)
            early.append(hold.exists())
            statuses.append(answer.status_code)

    def come_early() -> None:
        _wait_for_port(port).close()
        cameras = [threading.Thread(target=camera, args=(RAW, FRAME)) for _ in range(6)]
        cameras += [threading.Thread(target=camera, args=(path, None)) for path in ("/readyz", "/livez", "/")]
        for one in cameras:
            one.start()
        ready.wait(1)  # longer than queue_ms: who was let in would be refused by now
        hold.unlink()
        for one in cameras:
            one.join()

    crowd = threading.Thread(target=come_early)
    crowd.start()
    with serving(project, "--fronts", fronts, "--port", str(port)):
        crowd.join()
    assert statuses == [200] * 9
    assert not any(early)


@pytest.mark.parametrize(
    ("cores", "workers", "slots", "fronts"),
    [
        (1, 1, 0, 1),
        (2, 2, 0, 1),
        (3, 3, 0, 1),
        (4, 4, 0, 2),
        (8, 8, 0, 4),
        (16, 16, 0, 8),
        (64, 64, 0, 8),
        (16, 2, 0, 1),  # few workers have few fronts
        (2, 8, 0, 1),  # and more workers than cores are no more cores
        (16, 16, 4, 2),  # who asks for few slots means to have few
        (16, 16, 1, 1),
    ],
)
def test_a_server_that_is_not_told_has_a_front_for_two_workers(
    cores: int, workers: int, slots: int, fronts: int
) -> None:
    assert fronts_for(cores, workers, slots) == fronts
