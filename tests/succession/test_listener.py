"""A socket that is handed over outlives the server: nobody who connects is refused while another one comes."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from tests.support.faults import FRAME, GIVE_UP_S, RAW, children_of, faulty, is_gone, until
from tests.support.handed_over import hands_over
from tests.support.running import Server, serving


@pytest.fixture(name="held")
def held_socket() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as held:
        yield held


def served(project: Path, held: socket.socket) -> AbstractContextManager[Server]:
    return serving(project, launcher=hands_over(held.fileno()), pass_fds=[held.fileno()])


def post(held: socket.socket) -> int:
    url = f"http://127.0.0.1:{held.getsockname()[1]}{RAW}"
    return httpx.post(url, content=FRAME, timeout=GIVE_UP_S, trust_env=False).status_code


def test_the_server_says_where_it_was_put(tmp_path: Path, held: socket.socket) -> None:
    with served(faulty(tmp_path / "p"), held) as server:
        assert server.port == held.getsockname()[1]
        assert post(held) == 200


@pytest.mark.long
def test_servers_that_follow_one_another_refuse_and_cut_nobody(tmp_path: Path, held: socket.socket) -> None:
    project, over = faulty(tmp_path / "p"), threading.Event()
    statuses: list[int] = []
    mistakes: list[Exception] = []

    def camera() -> None:
        while not over.is_set():
            try:
                statuses.append(post(held))
            except httpx.HTTPError as error:
                mistakes.append(error)

    cameras = [threading.Thread(target=camera) for _ in range(4)]
    try:
        for _ in range(3):
            with served(project, held) as server:
                for one in [one for one in cameras if one.ident is None]:
                    one.start()
                answered = len(statuses)
                until(lambda answered=answered: len(statuses) > answered + 50)  # type: ignore[misc]
                server.process.terminate()
                assert server.process.wait(GIVE_UP_S) == 0
        with served(project, held):
            over.set()
            for one in cameras:
                one.join()
    finally:
        over.set()
    assert not mistakes
    assert set(statuses) == {200}


@pytest.mark.long
def test_who_connects_after_the_server_was_killed_is_answered_by_the_next(tmp_path: Path, held: socket.socket) -> None:
    project = faulty(tmp_path / "p")
    late: list[int] = []
    with served(project, held) as server:
        family = [pid for child in children_of(server.process.pid) for pid in (child, *children_of(child))]
        os.kill(server.process.pid, signal.SIGKILL)
        until(lambda: all(map(is_gone, family)))
        camera = threading.Thread(target=lambda: late.append(post(held)))
        camera.start()
    with served(project, held):
        camera.join()
    assert late == [200]


def test_more_than_one_socket_is_a_mistake(tmp_path: Path, held: socket.socket) -> None:
    project = faulty(tmp_path / "p")
    with (
        pytest.raises(AssertionError, match=r"2 sockets were handed over; one ListenStream= was expected"),
        serving(project, launcher=hands_over(held.fileno(), 2), pass_fds=[held.fileno()]),
    ):
        pass


@pytest.mark.parametrize(("kind", "message"), [("file", "is no socket"), ("unix", "AF_UNIX")])
def test_what_is_handed_over_must_be_a_tcp_socket(tmp_path: Path, kind: str, message: str) -> None:
    with (tmp_path / "file").open("w") as file, socket.socket(socket.AF_UNIX) as unix:
        fd = file.fileno() if kind == "file" else unix.fileno()
        with (
            pytest.raises(AssertionError, match=message),
            serving(faulty(tmp_path / "p"), launcher=hands_over(fd), pass_fds=[fd]),
        ):
            pass
