"""A frame that cannot be done by its deadline is refused before it is begun: how that is foreseen, and what is said."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest

from service.settings import load_settings
from tests.clients.raw_http import Answer, Connection
from tests.support.children import processes_pool
from tests.support.faults import FRAME, RAW, until
from tests.support.running import Server, serving, write_project
from workers.admission.pace import Pace
from workers.errors import DeadlineExceeded, NoFreeSlot, NotInTime, SettingsInvalid
from workers.memory.slot import State
from workers.pool.job import Job
from workers.pool.pool import Pool
from workers.settings import PoolSettings

pytestmark = pytest.mark.long

SECOND = 1_000_000_000

GATE = """
import pathlib, time

def main(context):
    here = pathlib.Path(context["dataFolder"])
    with open(here / "runs", "a") as runs:
        runs.write(context["data"] + "\\n")
    while context["data"] == "wait" and not (here / "go").exists():
        time.sleep(0.005)
    if context["data"].startswith("work"):
        time.sleep(float(context["data"][4:] or 0.2))
"""
FLOW = '[[flow]]\nmodule = "code"\nfile = "code/gate.py"\n'
POOL = PoolSettings(workers=1, fronts=1, slots=8, max_frame_mib=1, max_reply_mib=1)


def runs(project: Path) -> list[str]:
    noted = project / "data" / "runs"
    return noted.read_text().split() if noted.exists() else []


class Frames:
    """Frames of several clients in a pool, each on a thread of its own; what became of each is in `ends`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._threads: list[threading.Thread] = []
        self.ends: dict[str, str] = {}

    def add(self, name: str, client: str, due_s: float, data: str = "fine") -> None:
        deadline_ns = time.monotonic_ns() + int(due_s * SECOND)
        lease = self._pool.lease(deadline_ns, 0, client)  # in this thread, for whoever is refused

        def wait() -> None:
            with lease:
                lease.area[:4] = bytes(4)
                try:
                    lease.run(Job(width=2, height=2, pixel_format="Mono8", data=data), 4)
                    self.ends[name] = "answered"
                except NoFreeSlot as error:
                    self.ends[name] = f"refused, again in {error.retry_after_s} s"

        queued = self._waiting()
        self._threads.append(threading.Thread(target=wait))
        self._threads[-1].start()
        until(lambda: self._waiting() > queued)

    def _waiting(self) -> int:
        return sum(header.state in {State.QUEUED, State.RUNNING} for header in self._pool._headers)

    def join(self) -> None:
        for thread in self._threads:
            thread.join()


def test_one_client_with_many_frames_makes_room_for_another_with_one(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", FLOW, gate=GATE)
    (project / "data").mkdir()
    with processes_pool(project, POOL) as pool:
        frames = Frames(pool)
        frames.add("first", "a", 60, "wait")
        until(lambda: runs(project))
        # what flows take is told, so that no time of this machine counts; it is believed for 202 seconds
        Pace(pool.control.words).add(100 * SECOND, time.monotonic_ns())
        frames.add("a1", "a", 350)
        frames.add("a2", "a", 350)
        with pytest.raises(NotInTime) as told:
            frames.add("a3", "a", 350)
        assert told.value.retry_after_s >= 20  # 400 s and a margin, where 350 are left
        frames.add("b1", "b", 350)
        until(lambda: "a2" in frames.ends)
        assert frames.ends["a2"].startswith("refused, again in ")
        with pytest.raises(NotInTime):
            frames.add("b2", "b", 350)  # it has one, as a has beside the one that runs
        (project / "data" / "go").touch()
        frames.join()
        assert {name: frames.ends[name] for name in ("first", "a1", "b1")} == dict.fromkeys(
            ("first", "a1", "b1"), "answered"
        )
        assert pool.free_slots == POOL.slots_per_front


def test_the_slot_of_a_frame_that_runs_on_stays_its_clients(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", FLOW, gate=GATE)
    (project / "data").mkdir()
    with processes_pool(project, POOL) as pool:
        lease = pool.lease(time.monotonic_ns() + SECOND // 5, 0, "a")
        with pytest.raises(DeadlineExceeded), lease:
            lease.run(Job(width=2, height=2, pixel_format="Mono8", data="wait"), 4)
        assert pool._waiting._held == {"a": 1}
        (project / "data" / "go").touch()
        until(lambda: pool.free_slots == POOL.slots_per_front + 1)
        assert pool._waiting._held == {}


@pytest.fixture(name="slow")
def slow_server(tmp_path: Path) -> Iterator[Server]:
    """One worker, a deadline of a second, and a flow that is known to take 0.2 s where it is asked to `work`."""
    env = {"FRAMEMILL_DEADLINE_MS": "1000", "FRAMEMILL_RUN_MS": "1000", "FRAMEMILL_SLOTS": "12"}
    with serving(write_project(tmp_path / "p", FLOW, gate=GATE), "--workers", "1", env=env) as server:
        assert send(server, "work").status == 200
        yield server


def send(
    server: Server, data: str, *, deadline_ms: int = 0, line: Connection | None = None, source: str = "127.0.0.1"
) -> Answer:
    asked = f"&deadline_ms={deadline_ms}" if deadline_ms else ""
    head = f"POST {RAW}&data={data}{asked} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(FRAME)}\r\n\r\n"
    with Connection(server.port, source=source) if line is None else nullcontext(line) as connection:
        connection.send(head.encode() + FRAME)
        answer = connection.answer()
        assert answer is not None
        return answer


def test_a_deadline_that_no_flow_can_meet_is_504_at_once_and_costs_no_worker_a_moment(slow: Server) -> None:
    for _ in range(3):
        answer = send(slow, "work", deadline_ms=20)
        assert (answer.status, answer.json()["code"]) == (504, "deadline_exceeded")
        assert "not begun" in answer.json()["detail"]
    assert runs(slow.project) == ["work"]
    frames = slow.status()["frames"]
    assert (frames["not_begun"], frames["errors"], frames["refused"]) == (3, 3, 0)
    with slow.client() as client:
        assert "framemill_frames_not_begun_total 3.0" in client.get("/metrics").text


def test_frames_beyond_what_can_be_done_in_time_are_429_and_say_when(slow: Server) -> None:
    """On connections that are known, and on new ones."""
    known = [Connection(slow.port) for _ in range(6)]
    for line in known:
        assert send(slow, "work", line=line).status == 200
    with ThreadPoolExecutor(12) as cameras:
        answers = list(cameras.map(lambda line: send(slow, "work", line=line), [*known, *[None] * 6]))
    for line in known:
        line.__exit__()
    statuses = Counter(answer.status for answer in answers)
    assert set(statuses) == {200, 429}
    assert statuses[429] >= 12 - 5  # five take a second
    for answer in answers:
        if answer.status == 429:
            assert answer.json()["code"] == "server_busy"
            assert re.search(rb"\r\nretry-after: [1-9]\r\n", answer.head.lower())
    status = slow.status()
    assert status["frames"]["not_begun"] == status["frames"]["refused"] == statuses[429]
    assert status["workers"]["deaths"] == 0
    assert send(slow, "work").status == 200


def test_a_frame_that_cannot_be_in_time_is_refused_before_its_body_has_come(tmp_path: Path) -> None:
    head = b"POST /analyze_raw_image?width=1920&height=1024 HTTP/1.1\r\nHost: a\r\nContent-Length: 5898240\r\n\r\n"
    env = {"FRAMEMILL_DEADLINE_MS": "1000"}
    with (
        serving(write_project(tmp_path / "p", FLOW, gate=GATE), "--workers", "1", env=env) as server,
        ThreadPoolExecutor(1) as camera,
    ):
        assert send(server, "work0.8").status == 200
        runs_now = camera.submit(send, server, "wait")
        until(lambda: runs(server.project)[-1] == "wait")
        with Connection(server.port) as line:
            line.send(head + bytes(65_536))
            answer = line.answer()
            assert answer is not None
            assert answer.status == 429
        (server.project / "data" / "go").touch()
        assert runs_now.result().status == 200


def test_the_last_image_and_frames_with_the_switch_off_are_not_measured_by_the_flow(slow: Server) -> None:
    with slow.client() as client:
        for _ in range(20):
            assert client.get("/last_image").status_code == 200
        assert slow.status()["flow_lately_ms"] >= 200
        client.put("/api/v1/process", json={"process": False}).raise_for_status()
        for _ in range(20):
            assert send(slow, "work", deadline_ms=100).status == 200  # where nothing is inspected nothing takes long
        lately_ms = slow.status()["flow_lately_ms"]
        assert lately_ms == 0 or lately_ms >= 200


def test_run_ms_is_the_deadline_unless_set_and_never_more() -> None:
    assert load_settings({"deadline_ms": 700}, {}).run_ms == 700
    assert load_settings({"deadline_ms": 700, "run_ms": 300}, {}).run_ms == 300
    with pytest.raises(SettingsInvalid, match=r"\[server\] run_ms: should be at most deadline_ms = 700, got 701"):
        load_settings({"deadline_ms": 700, "run_ms": 701}, {})


def test_under_twice_the_load_workers_never_rest_and_every_camera_has_its_share(tmp_path: Path) -> None:
    """Twelve cameras, each with an address of its own, that send 20 frames a second where 10 can be done."""
    env = {"FRAMEMILL_DEADLINE_MS": "1000"}
    answered: Counter[int] = Counter()
    with serving(write_project(tmp_path / "p", FLOW, gate=GATE), env=env) as server:
        begun_s = time.monotonic() + 1

        def camera(number: int) -> set[int]:
            statuses = set()
            for turn in range(12):
                time.sleep(max(0.0, begun_s + 0.05 * number + 0.6 * turn - time.monotonic()))  # its takt
                status = send(server, "work", source=f"127.0.1.{number + 1}").status
                statuses.add(status)
                answered[number] += status == 200
            return statuses

        with ThreadPoolExecutor(12) as cameras:
            seen = set().union(*cameras.map(camera, range(12)))
        took_s = time.monotonic() - begun_s
        assert {200, 429} <= seen <= {200, 429, 504}
        assert server.status()["workers"]["deaths"] == 0
    assert sum(answered.values()) >= 0.85 * took_s * 2 / 0.2
    assert min(answered.values()) >= 3  # of six, where all have the same
