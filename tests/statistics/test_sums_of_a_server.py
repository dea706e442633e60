"""A recorder that is killed under load: each frame is there once, and so it is in the sums."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from service.history.places.place import sqlite_in
from tests.history.kept import rows
from tests.results.served import post, project_in
from tests.support.faults import RECORDER, programs_of, until
from tests.support.running import Server, serving

pytestmark = pytest.mark.long

FRAMES = 300


@pytest.fixture(name="server", scope="module")
def a_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(project_in(tmp_path_factory.mktemp("sums") / "p"), "--record", "async") as running:
        yield running


def _recorder(server: Server) -> int:
    """The process of the recorder; 0 where there is none, also where one ended while they were looked at."""
    try:
        found = programs_of(server.process.pid, RECORDER)
    except OSError:
        return 0
    return found[0] if found else 0


def _recorded(path: Path) -> int:
    found: int = rows(path, "SELECT count(*) FROM records")[0][0]
    return found


def _await_answers(answers: list[Future[httpx.Response]], count: int) -> None:
    until(lambda: sum(one.done() for one in answers) >= count)


def _another_recorder(server: Server, killed: set[int]) -> int:
    found: int = until(lambda: (pid := _recorder(server)) and pid not in killed and pid)
    return found


def test_sums_are_those_of_the_frames_whenever_the_recorder_was_killed(server: Server) -> None:
    path = sqlite_in(server.project / ".framemill")
    until(lambda: server.status()["history"]["state"] == "recording")
    killed: set[int] = set()
    with ThreadPoolExecutor(4) as cameras:
        answers = [cameras.submit(post, server, "nok" if n % 3 == 0 else "", camera="top") for n in range(FRAMES)]
        for share in (1, 2, 3):
            _await_answers(answers, share * FRAMES // 4)
            victim = _another_recorder(server, killed)
            os.kill(victim, signal.SIGKILL)
            killed.add(victim)
    assert all(one.result().status_code == 200 for one in answers)
    until(lambda: _recorded(path) == FRAMES)
    for table in ("quarters", "days"):
        assert rows(path, f"SELECT sum(ok), sum(nok), sum(error) FROM {table}") == [(FRAMES * 2 // 3, FRAMES // 3, 0)]
    for table in ("quarter_took", "day_took"):
        assert rows(path, f"SELECT sum(count) FROM {table}") == [(FRAMES,)]
    with server.client() as client:
        told = client.get("/api/v1/statistics").json()
        assert told["shift"]["name"] in {"early", "late", "night"}
