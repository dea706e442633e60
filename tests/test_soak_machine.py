"""The machine fails: full and read-only disks, no descriptors, a clock that jumps. Frames are answered all the same."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from faults import until
from running import Server
from soak_cameras import Cameras, Choose, nothing_special
from soak_census import pids
from soak_clock import JumpingClock
from soak_machine import full, read_only, read_only_as_it_is, serving_after
from soak_project import soak_project
from soak_report import report, summary
from soak_run import Run
from soak_secrets import API_KEY, secrets_in_log

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

IDLE = 20_000
_DEADLINE = {"FRAMEMILL_DEADLINE_MS": "5000"}


@contextmanager
def _broken_machine(
    scenario: str, prepare: str, project: Path, *arguments: str, env: dict[str, str] | None = None
) -> Iterator[Run]:
    with serving_after(prepare, project, *arguments, env=_DEADLINE | (env or {})) as server:
        run = Run(server, 5.0)
        try:
            assert server.url, "".join(server.log)
            yield run
            run.check_losses()
        finally:
            run.expect(not (told := secrets_in_log(server.log)), f"I6: the log holds {told[:3]}")
            report(scenario, {**run.figures, **summary(run.answers)}, run.broken)
    assert not run.broken, "\n".join([scenario, *run.broken, "".join(server.log[-20:])])


def _frames(run: Run, seconds: float, *, choose: Choose = nothing_special, per_s: float = 50.0) -> None:
    with run.cameras(choose=choose, per_s=per_s) as cameras:
        cameras.run(seconds)
    run.expect(len(cameras.answers) > seconds * per_s / 2, "the cameras sent too few frames")


def _says(server: Server, words: str) -> bool:
    return any(words in line for line in server.log)


@pytest.mark.parametrize("how", [full, read_only], ids=lambda how: how.__name__)
def test_on_a_disk_that_takes_nothing_frames_are_answered_and_crashing_ones_too(tmp_path: Path, how: object) -> None:
    project = soak_project(tmp_path / "soak")
    state = project / ".framemill"
    state.mkdir()
    prepare = full(str(state)) if how is full else read_only(str(state))
    with _broken_machine(f"state folder {how.__name__}", prepare, project) as run:  # type: ignore[attr-defined]
        _frames(run, 5.0, choose=lambda number: "segv" if number == 50 else "mark")
        run.allow(worker_crashed=1)
        until(lambda: run.whole)
        with run.client() as client:
            answer = client.put("/api/v1/process", json={"process": False})
            run.figures["switch"] = answer.status_code
            run.expect(answer.status_code == 507, "the switch did not say that it cannot be kept")
            run.expect(client.get("/readyz").status_code == 200, "the switch was thrown all the same")
        run.expect(_says(run.server, "could not be kept"), "nobody was told that a frame was not kept")


def test_with_a_read_only_tmp_frames_are_answered(tmp_path: Path) -> None:
    project = soak_project(tmp_path / "soak")
    with _broken_machine("/tmp is read-only", read_only_as_it_is("/tmp"), project) as run:
        _frames(run, 5.0)


def test_with_a_full_dev_shm_frames_are_answered(tmp_path: Path) -> None:
    with _broken_machine("/dev/shm is full", full("/dev/shm"), soak_project(tmp_path / "soak")) as run:
        _frames(run, 5.0)


def _open_idle(stack: ExitStack, server: Server, count: int) -> int:
    for number in range(count):
        try:
            # many source addresses: one has not enough ports for all
            source = (f"127.0.1.{1 + number % 200}", 0)
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 2, source_address=source))
        except OSError:
            return number
    return count


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_with_sixty_four_descriptors_it_stays_and_is_back_when_idle_clients_leave(tmp_path: Path) -> None:
    with (
        _broken_machine("64 descriptors", "ulimit -n 64", soak_project(tmp_path / "soak")) as run,
        ExitStack() as stack,
    ):
        front = pids(run.supervisor, "front")
        run.figures["idle"] = _open_idle(stack, run.server, 300)
        before_s, begun_s = sum(map(_cpu_s, front)), time.monotonic()
        with Cameras(run.server.port, key=API_KEY) as cameras:  # what it cannot take waits: there is nothing to judge
            threading.Event().wait(5.0)
            run.figures["while_exhausted"] = summary(cameras.answers)["statuses"]
            share = (sum(map(_cpu_s, front)) - before_s) / (time.monotonic() - begun_s)
            stack.close()
            freed_s = time.monotonic()
            until(lambda: any(answer.status == 200 and answer.done_s > freed_s for answer in cameras.answers.copy()))
            run.figures["back_after_s"] = round(time.monotonic() - freed_s, 2)
            run.expect(run.figures["back_after_s"] <= 5.0, "it took longer than 5 s to be back")
        run.figures["cpu_while_exhausted"] = round(share, 2)
        run.expect(share < 0.2 or run.figures["while_exhausted"], f"it used {share:.2f} of a core to do nothing")
        _frames(run, 3.0)
        run.expect(pids(run.supervisor, "front") == front, "a front died")


def test_beside_twenty_thousand_idle_connections_frames_are_answered(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(IDLE, hard - 1000)
    try:
        project = soak_project(tmp_path / "soak")
        with _broken_machine("20,000 idle connections", "true", project) as run, ExitStack() as stack:
            front = pids(run.supervisor, "front")[0]
            before_kib = _rss_kib(front)
            with run.cameras() as cameras:
                cameras.run(1.0)
                run.figures["idle"] = _open_idle(stack, run.server, count)
                run.figures["kib_per_idle"] = round((_rss_kib(front) - before_kib) / run.figures["idle"], 2)
                run.expect(run.figures["kib_per_idle"] <= 30, "an idle connection costs more than 30 kB")
                cameras.run(10.0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _rss_kib(pid: int) -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1])


def test_a_clock_that_jumps_by_an_hour_costs_no_frame(tmp_path: Path) -> None:
    project = soak_project(tmp_path / "soak")
    clock = JumpingClock(tmp_path)
    with _broken_machine("clock jumps by an hour", "true", project, env=clock.env) as run:
        with run.cameras() as cameras:
            for hours in (-1, 1, 0, -24, 0):
                cameras.run(2.0)
                clock.jump_to(3600 * hours)
            cameras.run(1.0)
            clock.jump_to(-3600)
            with run.client() as client:
                said = client.get("/livez").headers["date"]
        behind_s = time.time() - parsedate_to_datetime(said).timestamp()
        run.figures["behind_s"] = round(behind_s)
        run.expect(3590 < behind_s < 3660, "the server did not notice: this test tests nothing")
        run.expect(run.status()["workers"]["deaths"] == 0, "a worker died of a clock")
