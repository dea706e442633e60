"""A server whose history is in PostgreSQL: whoever is killed, frozen or away, what was promised is there, once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import httpx
import psycopg
import pytest

from service.history.places.place import PostgresUrl
from tests.history.kept import found
from tests.results.served import FRAME, RAW, post, project_in
from tests.support.databases.cluster import PASSWORD, Cluster, running_cluster
from tests.support.faults import RECORDER, children_of, programs_of, until
from tests.support.running import Server, command, serving


@pytest.fixture(name="own", scope="module")
def a_cluster_to_be_killed() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@contextmanager
def _server(folder: Path, url: str, name: str, record: str = "async", *more: str) -> Iterator[Server]:
    project = project_in(folder)
    (folder / "url").write_text(url)
    given = ("--record", record, "--history-url-file", str(folder / "url"), "--server-name", name, "--workers", "1")
    with serving(project, *given, *more) as server:
        yield server


def _history(server: Server) -> dict[str, Any]:
    told: dict[str, Any] = server.status()["history"]
    return told


def _await(server: Server) -> None:
    until(lambda: _history(server)["state"] == "recording")


def _frames(url: str, **wanted: Any) -> list[str]:
    return [one["id"] for one in found(PostgresUrl(url), **wanted) if one["kind"] == "frame"]


class _Camera:
    """Sends frame after frame until the end of the block; `answered` are the ids of those with an answer."""

    def __init__(self, server: Server) -> None:
        self.answered: list[str] = []
        self.statuses: set[int] = set()
        self._server = server
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def go_on(self, frames: int = 20) -> None:
        """Wait for so many more answers."""
        enough = len(self.answered) + frames
        until(lambda: len(self.answered) >= enough)

    def _run(self) -> None:
        while not self._is_over.is_set():
            with suppress(httpx.TransportError), self._server.client() as client:
                while not self._is_over.is_set():
                    answer = client.post(RAW, content=FRAME)
                    self.statuses.add(answer.status_code)
                    if answer.status_code == 200:
                        self.answered.append(answer.json()["id"])


@pytest.mark.long
def test_two_servers_write_to_one_and_either_tells_of_both(cluster: Cluster, tmp_path: Path) -> None:
    url = cluster.database()
    with _server(tmp_path / "left", url, "left") as left, _server(tmp_path / "right", url, "right") as right:
        _await(left)
        _await(right)
        ids = {name: post(one).json()["id"] for name, one in (("left", left), ("right", right))}
        until(lambda: {*_frames(url)} == {*ids.values()})
        named = ("--history-url-file", tmp_path / "left" / "url")
        both = command("history", *named, "--jsonl")
        assert both.stdout.count('"kind":"frame"') == 2
        one = command("history", *named, "--server", "right", "--jsonl")
        assert (one.stdout.count('"kind":"frame"'), ids["right"] in one.stdout) == (1, True)
        _each_says_which_server_wrote_it(left, ids)
        told = [*left.log, both.stderr, str(left.status()), *_command_lines(left)]
        assert left.stop() == right.stop() == 0
    assert not [text for text in [*told, *left.log] if PASSWORD in text or "s3cret" in text]
    with psycopg.connect(url) as connection:
        ended = connection.execute("SELECT server, ended_ns IS NOT NULL FROM runs ORDER BY server").fetchall()
    assert ended == [("left", True), ("right", True)]


def _each_says_which_server_wrote_it(server: Server, ids: dict[str, str]) -> None:
    with server.client() as client:
        known = client.get("/api/v1/frames").json()["frames"]
        assert {one["server"]: one["id"] for one in known} == ids
        (right,) = client.get("/api/v1/frames", params={"server": "right"}).json()["frames"]
        assert right["id"] == ids["right"]
        assert client.get(f"/api/v1/frames/{ids['right']}").json()["server"] == "right"
        page, of_right = client.get("/parts").text, client.get("/parts?server=right").text
        assert all(f'<option value="{name}">' in page and f"· {name}</span>" in page for name in ids)
        assert (ids["right"] in of_right, ids["left"] in of_right) == (True, False)
        assert "<dt>Server</dt><dd>right</dd>" in client.get(f"/parts/{ids['right']}").text
        answer = client.post(
            f"/api/v1/frames/{ids['right']}/decisions", json={"kind": "escape", "after": 0, "label": "a"}
        )
        assert answer.status_code == 201  # one page over both decides about both


def _command_lines(server: Server) -> list[str]:
    """What anybody of this machine may read of each process, and its environment."""
    pids, found_pids = [server.process.pid], []
    while pids:
        found_pids.append(pid := pids.pop())
        with suppress(OSError):
            pids += children_of(pid)
    texts = []
    for pid in found_pids:
        for name in ("cmdline", "environ"):
            with suppress(OSError):
                texts.append(Path(f"/proc/{pid}/{name}").read_bytes().decode("utf-8", "replace"))
    return texts


@pytest.mark.long
@pytest.mark.parametrize("record", ["async", "before_answer"])
def test_a_database_that_is_killed_under_load_has_what_was_promised(own: Cluster, tmp_path: Path, record: str) -> None:
    url = own.database()
    with _server(tmp_path / "p", url, "left", record) as server:
        _await(server)
        with _Camera(server) as camera:
            camera.go_on()
            own.kill()
            until(lambda: _history(server)["state"] == "waiting")
            if record == "async":
                camera.go_on()  # frames do not notice
            else:
                until(lambda: 503 in camera.statuses)
            own.start()
            _await(server)
            camera.go_on()
            (recorder,) = programs_of(server.process.pid, RECORDER)
            os.kill(recorder, signal.SIGKILL)
            camera.go_on()
        until(lambda: {*camera.answered} <= {*_frames(url)})
        ids = _frames(url)
        assert len(ids) == len({*ids})
        assert camera.statuses == ({200} if record == "async" else {200, 503})


@pytest.mark.long
def test_a_database_that_hears_and_says_nothing_holds_up_no_frame(own: Cluster, tmp_path: Path) -> None:
    url = own.database()
    with _server(tmp_path / "p", url, "left") as server:
        _await(server)
        with _Camera(server) as camera:
            camera.go_on()
            own.freeze()
            try:
                camera.go_on()
                until(lambda: _history(server)["state"] == "waiting")
                camera.go_on()
            finally:
                own.thaw()
            _await(server)
        until(lambda: {*camera.answered} <= {*_frames(url)})


@pytest.mark.soak
def test_a_database_that_is_away_for_long_is_caught_up_or_counted(own: Cluster, tmp_path: Path) -> None:
    url = own.database()
    with _server(tmp_path / "p", url, "left", "async", "--results-mib", "1", "--fronts", "1") as server:
        _await(server)
        with _Camera(server) as camera:
            camera.go_on()
            own.kill()
            camera.go_on(3000)  # more than the ring has room for
            assert _history(server)["state"] == "waiting"
            own.start()
            _await(server)
            camera.go_on()
        until(lambda: _history(server)["recorded"] + _history(server)["missed"] == len(camera.answered))
        assert _history(server)["missed"] > 0
    there = _frames(url)
    assert len(there) == len({*there} & {*camera.answered})
    gone = sum(one["count"] for one in found(PostgresUrl(url)) if one.get("why") == "missed")
    assert len(there) + gone == len(camera.answered)
