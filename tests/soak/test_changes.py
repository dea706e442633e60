"""The server is changed and stopped under load: no answer is lost, and how it ended says what happened."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.soak.kit.cameras import Cameras
from tests.soak.kit.census import control_words, pids, slot_states
from tests.soak.kit.project import soak_project
from tests.soak.kit.report import report, summary
from tests.soak.kit.run import Run, chaos
from tests.soak.kit.secrets import API_KEY, secrets_in_log
from tests.support.faults import until
from tests.support.running import serving
from workers.memory.control import Control

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

RELOADS = 100
REQUESTS = 30_000
DRAINS = 50


def _reload(run: Run, ask: Callable[[], Any]) -> None:
    before = control_words(run.supervisor)[Control.RELOADS]
    ask()
    until(lambda: control_words(run.supervisor)[Control.RELOADS] > before)


def _over_http(run: Run) -> Callable[[], Any]:
    def ask() -> None:
        with run.client() as client:
            client.post("/api/v1/reload").raise_for_status()

    return ask


def _exchange_fronts(run: Run) -> None:
    """HUP to gunicorn's master: new fronts, one after the other, then the old ones go."""
    before = set(pids(run.supervisor, "front"))
    os.kill(pids(run.supervisor, "master")[0], signal.SIGHUP)
    until(lambda: len(pids(run.supervisor, "front")) == len(before) and not before & set(pids(run.supervisor, "front")))


def test_a_hundred_reloads_under_thirty_thousand_requests_lose_none(tmp_path: Path) -> None:
    with (
        chaos("100 reloads, 30,000 requests", tmp_path, "--fronts", "2", work_s=0.001) as run,
        run.cameras(per_s=10_000, large_every=500) as cameras,
    ):
        supervisor = run.server.process
        run.normal = cameras.run(5.0)  # at this rate, which leaves the machine no rest
        for number in range(RELOADS):
            until(lambda number=number: len(cameras.answers) >= number * REQUESTS / RELOADS)  # type: ignore[misc]
            if number % 10 == 9:
                _exchange_fronts(run)
            elif number % 2:
                _reload(run, _over_http(run))
            else:
                _reload(run, lambda: supervisor.send_signal(signal.SIGHUP))
        until(lambda: len(cameras.answers) >= REQUESTS)
        run.figures |= {"reloads": RELOADS * 9 // 10, "front_exchanges": RELOADS // 10}
        run.expect(run.status()["workers"]["deaths"] == 0, "a worker died of a reload")


def test_twenty_exchanges_of_the_fronts_under_load_lose_no_request(tmp_path: Path) -> None:
    with chaos("20 HUPs of gunicorn", tmp_path, "--fronts", "2") as run, run.cameras() as cameras:
        for _ in range(20):
            _exchange_fronts(run)
            cameras.run(0.5)
        run.figures["exchanges"] = 20


@contextmanager
def _noting(answers: list[Cameras], broken: list[str]) -> Iterator[None]:
    """Report drains like a chaos run, and fail at the end where something is broken."""
    try:
        yield
    finally:
        every = [answer for cameras in answers for answer in cameras.answers]
        report("50 drains", {"drains": len(answers), **summary(every)}, broken)
    assert not broken, "\n".join(broken)


def test_fifty_drains_under_load_cut_no_answer(tmp_path: Path) -> None:
    drains: list[Cameras] = []
    broken: list[str] = []
    with _noting(drains, broken):
        for number in range(DRAINS):
            _drain(tmp_path / str(number), drains, broken)


def _drain(folder: Path, drains: list[Cameras], broken: list[str]) -> None:
    env = {"FRAMEMILL_API_KEY": API_KEY, "FRAMEMILL_DEADLINE_MS": "5000"}
    with serving(soak_project(folder, work_s=0.03), env=env) as server:
        with Cameras(server.port, key=API_KEY, per_s=60) as cameras, server.client() as watcher:
            drains.append(cameras)
            cameras.run(1.0)
            assert watcher.get("/readyz").status_code == 200
            server.process.send_signal(signal.SIGTERM)
            asked_s = time.monotonic()
            unready = _first_unready(watcher)
            status = server.process.wait(60)
            took_s = time.monotonic() - asked_s
            cameras.run(0.2)
        cut = [a for a in cameras.answers if a.lost in {"cut", "silent"} or a.wrong]
        said = [f"{len(cut)} answers were cut or wrong, as {cut[:1]}"] if cut else []
        said += [f"status {a.status} {a.code}" for a in cameras.answers if a.status not in {0, 200, 503}]
        said += [] if status == 0 else [f"it ended with status {status}"]
        said += [] if unready else ["/readyz never said that it stops"]
        said += [] if took_s <= 0.03 + 2 else [f"it took {took_s:.1f} s to end"]
        early = [a for a in cameras.answers if a.lost == "refused" and a.sent_s < asked_s]
        said += ["a connection was refused before it was asked to stop"] if early else []
        server.stop()
        said += secrets_in_log(server.log)
        broken += [f"drain {folder.name}: {what}" for what in said]


def _first_unready(watcher: httpx.Client) -> bool:
    """Whether the open connection was told, before it closed, that the server is not ready any more."""
    try:
        while True:
            answer = watcher.get("/readyz")
            if answer.status_code == 503:
                return "the server is stopping" in answer.text
    except httpx.TransportError:
        return False


def test_a_second_sigterm_ends_it_at_once_whatever_hangs(tmp_path: Path) -> None:
    env = {"FRAMEMILL_API_KEY": API_KEY, "FRAMEMILL_DEADLINE_MS": "60000"}
    with serving(soak_project(tmp_path / "soak"), env=env) as server:
        with Cameras(server.port, key=API_KEY, choose=lambda number: "hang" if number < 2 else "mark") as cameras:
            until(lambda: len(pids(server.process.pid, "worker")) >= 2 and _busy(server.process.pid) == 2)
            server.process.send_signal(signal.SIGTERM)
            until(lambda: control_words(server.process.pid)[Control.STOPPING])
            again_s = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            status = server.process.wait(60)
            took_s = time.monotonic() - again_s
        report("a second SIGTERM", {"took_s": round(took_s, 2), "status": status, **summary(cameras.answers)}, [])
        assert status == 5
        assert took_s < 2


def _busy(supervisor: int) -> int:
    return slot_states(supervisor)["RUNNING"]
