"""`record = "before_answer"`: no answer leaves without its record, whoever is killed, and no record is there twice."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.history.before_answer.asking import Asking
from service.history.before_answer.asks import Key, Said, key_of, make_pairs
from service.history.before_answer.hearing import Hearing
from service.history.database import sqlite_in
from service.own_errors import NotRecorded
from service.results.follow import Start
from service.results.record import Head, about_bytes
from tests.history.kept import NOW_NS, printed, rows
from tests.results.served import FRAME, RAW, follow, next_frames, post, project_in
from tests.support.faults import children_of, programs_of, until
from tests.support.running import Server, serving

pytestmark = pytest.mark.long

RECORD = ("--workers", "1", "--record", "before_answer")
SOON_NS = 60_000_000_000


def _path(server: Server) -> Path:
    return sqlite_in(server.project / ".framemill")


def _kill_recorder(server: Server) -> None:
    (pid,) = until(lambda: programs_of(server.process.pid, "service.beside.recorder"))
    os.kill(pid, signal.SIGKILL)


def _recorded(path: Path) -> set[str]:
    return {f"{came:016x}{slot & 0xFF:02x}" for came, slot in rows(path, "SELECT came_ns, slot FROM records")}


@pytest.fixture(name="server", scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(project_in(tmp_path_factory.mktemp("before") / "p"), *RECORD) as running:
        until(lambda: running.status()["history"]["state"] == "recording")
        yield running


def test_what_is_answered_is_there_already_the_first_way_and_the_repeated_one(server: Server) -> None:
    with server.client() as client:
        for _ in range(5):  # one connection: all but the first are answered without being understood anew
            answer = client.post(RAW, content=FRAME).raise_for_status().json()
            assert answer["id"] in _recorded(_path(server))


def test_the_ring_has_each_frame_once_with_its_final_status(server: Server) -> None:
    with follow(server) as follower:
        answered = [post(server, data).json().get("id") for data in ("nok", "", "raise")]
        assert [record.id for record in next_frames(follower, 3)] == answered
    until(lambda: server.status()["history"]["recorded"] == len(_recorded(_path(server))))
    assert rows(_path(server), "SELECT count(*) FROM unknown") == [(0,)]


def test_cameras_at_once_are_committed_together_and_each_is_there_once(server: Server) -> None:
    def camera(number: int) -> list[str]:
        with server.client() as client:
            asked = [client.post(f"{RAW}&part={number}-{n}", content=FRAME) for n in range(10)]
            return [answer.json()["id"] for answer in asked if answer.status_code == 200]

    with ThreadPoolExecutor(6) as cameras:
        ids = [one for found in cameras.map(camera, range(6)) for one in found]
    assert len(ids) == len(set(ids)) > 6
    assert {*ids} <= _recorded(_path(server))


def test_what_cannot_be_recorded_is_503_and_can_be_again(tmp_path: Path) -> None:
    with serving(project_in(tmp_path / "p"), *RECORD) as server, server.client() as client:
        client.post(RAW, content=FRAME).raise_for_status()
        with (
            follow(server, Start.NOW) as follower,
            closing(sqlite3.connect(_path(server), isolation_level=None)) as holder,
        ):
            holder.execute("BEGIN IMMEDIATE")
            refused = client.post(RAW, content=FRAME)  # the repeated way
            assert (refused.status_code, refused.json()["code"], refused.headers["Retry-After"]) == (
                503,
                "not_recorded",
                "1",
            )
            assert "the database of the history cannot be written to" in refused.json()["detail"]
            (record,) = next_frames(follower)
            assert (record.head.status, record.word, record.told["code"]) == (503, "ERROR", "not_recorded")
            soon = post(server, deadline_ms="300")
            assert soon.json()["code"] == "not_recorded"
            holder.execute("ROLLBACK")
        until(lambda: client.post(RAW, content=FRAME).status_code == 200)
        until(lambda: rows(_path(server), "SELECT count(*) FROM records WHERE error_code = 'not_recorded'")[0][0] >= 2)
        assert rows(_path(server), "SELECT came_ns, slot FROM records GROUP BY came_ns, slot HAVING count(*) > 1") == []
        assert rows(_path(server), "SELECT count(*) FROM records WHERE status = 503 AND verdict <> 'ERROR'") == [(0,)]


class _Recorder:
    """A recorder's end in this process."""

    def __init__(self) -> None:
        pairs = make_pairs(1)
        self.front, self._link = pairs.fronts[0], pairs.recorder[0]
        self.asking = Asking(self.front)
        self.outcome: list[Any] = []

    def end(self) -> None:
        self._link.close()
        self.asking.hears.join()
        self.front.close()

    def start(self) -> Hearing:
        return Hearing([self._link])

    def ask(self, packed: bytes, within_ns: int = SOON_NS) -> threading.Thread:
        def ask() -> None:
            try:
                self.asking.record(packed, time.monotonic_ns() + within_ns)
            except NotRecorded as error:
                self.outcome.append(str(error))
            else:
                self.outcome.append(Said.RECORDED)

        thread = threading.Thread(target=ask)
        thread.start()
        return thread


@pytest.fixture(name="recorder")
def a_recorder() -> Iterator[_Recorder]:
    made = _Recorder()
    yield made
    made.end()


def _packed(number: int) -> bytes:
    return Head(NOW_NS + number, 3, 200, True, 7, 256).pack(about_bytes("a", "top", str(number), ""), b"", b"{}")


def test_a_recorder_that_was_killed_with_it_is_followed_by_one_that_is_told_once_more(recorder: _Recorder) -> None:
    first = recorder.start()
    thread = recorder.ask(_packed(1))
    assert until(lambda: first.take(10))  # and it is killed, before or behind its commit
    second = recorder.start()
    asked = until(lambda: second.take(10))
    assert {one.key for one in asked} == {Key(NOW_NS + 1, 3)} == {key_of(_packed(1))}  # more than once is no harm
    second.answer([*asked, *asked], Said.RECORDED)  # twice is once
    thread.join()
    assert recorder.outcome == [Said.RECORDED]


def test_each_way_to_say_no_has_its_words(recorder: _Recorder) -> None:
    hearing = recorder.start()
    for said, why in ((Said.AWAY, "cannot be written to"), (Said.FAULT, "the server's log says why")):
        thread = recorder.ask(_packed(1))
        hearing.answer(until(lambda: hearing.take(10)), said)
        thread.join()
        assert why in recorder.outcome.pop()
    recorder.ask(_packed(2), within_ns=1_000_000).join()
    assert "by its deadline" in recorder.outcome.pop()
    hearing.answer(hearing.take(10), Said.RECORDED)  # nobody waits any more
    # nobody reads, and there is no room: its time is over then, too
    while True:
        try:
            recorder.front.send(_packed(3), socket.MSG_DONTWAIT)
        except BlockingIOError:
            break
    recorder.ask(_packed(4), within_ns=50_000_000).join()
    assert "by its deadline" in recorder.outcome.pop()


@pytest.mark.parametrize("whom", ["recorder", "front"])
def test_who_is_killed_under_load_costs_no_record_and_doubles_none(tmp_path: Path, whom: str) -> None:
    answered: list[str] = []
    statuses: list[int] = []
    is_over = threading.Event()

    def camera() -> None:
        while not is_over.is_set():
            with suppress(httpx.TransportError), server.client() as client:
                while not is_over.is_set():
                    answer = client.post(RAW, content=FRAME)
                    statuses.append(answer.status_code)
                    if answer.status_code == 200:
                        answered.append(answer.json()["id"])

    with serving(project_in(tmp_path / "p"), *RECORD) as server:
        until(lambda: server.status()["history"]["state"] == "recording")
        cameras = [threading.Thread(target=camera) for _ in range(4)]
        for one in cameras:
            one.start()
        for _ in range(3):
            before = len(answered)
            until(lambda before=before: len(answered) > before + 20)  # type: ignore[misc]
            if whom == "recorder":
                _kill_recorder(server)
            else:
                (master,) = programs_of(server.process.pid, "service.server.front")
                os.kill(children_of(master)[0], signal.SIGKILL)
            before = len(answered)
            until(lambda before=before: len(answered) > before + 20)  # type: ignore[misc]
        is_over.set()
        for one in cameras:
            one.join()
        assert {*answered} <= _recorded(_path(server))
        assert {*statuses} <= {200, 503, 429}
    found = [one["id"] for one in printed(server) if one["kind"] == "frame"]
    assert len(found) == len(set(found))


def test_a_supervisor_that_is_killed_takes_no_answered_frame_with_it(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    answered: list[str] = []
    with serving(project, *RECORD) as server:
        with server.client() as client, suppress(httpx.TransportError):
            threading.Timer(1.0, server.process.kill).start()
            while True:
                answered.append(client.post(RAW, content=FRAME).raise_for_status().json()["id"])
        server.process.wait()
    assert answered
    assert {*answered} <= _recorded(_path(server))


def test_a_full_disk_is_503_until_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "small", str(disk)], check=False).returncode:
        pytest.skip("only root can make a small file system")
    try:
        with serving(project_in(tmp_path / "p"), *RECORD, "--state-dir", str(disk)) as server:
            ids = [post(server).raise_for_status().json()["id"]]
            with (disk / "fill").open("wb", buffering=0) as fill, suppress(OSError):
                while fill.write(bytes(512)):
                    pass
            while (answer := post(server)).status_code == 200:
                ids.append(answer.json()["id"])
            assert answer.json()["code"] == "not_recorded"
            (disk / "fill").unlink()
            until(lambda: post(server).status_code == 200)
            assert {*ids} <= _recorded(disk / "history" / "history.sqlite")
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
