"""The machine has no more to give: descriptors, threads, processes. The server says so, and is back once it has."""

from __future__ import annotations

import os
import resource
import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.soak.kit.cameras import Cameras
from tests.soak.kit.census import at_work, pids
from tests.soak.kit.cgroup import Crowd, crowd
from tests.soak.kit.machine import broken_machine
from tests.soak.kit.project import soak_project
from tests.soak.kit.report import summary
from tests.soak.kit.run import Run
from tests.soak.kit.secrets import API_KEY
from tests.support.faults import until
from tests.support.running import Server

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

IDLE = 20_000
BACK_S = 5.0
MOST_CPU = 0.2  # of a core, for all fronts together, while there is nothing that they could do


def _open_idle(stack: ExitStack, server: Server, count: int) -> int:
    for number in range(count):
        try:
            # many source addresses: one has not enough ports for all
            source = (f"127.0.1.{1 + number % 200}", 0)
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 2, source_address=source))
        except OSError:
            return number
    return count


def _cpu_s(run: Run) -> float:
    """Processor time of the fronts so far."""
    return sum(map(_cpu_s_of, pids(run.supervisor, "front")))


def _cpu_s_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _says(server: Server, words: str) -> bool:
    return any(words in line for line in server.log)


def _back_after_s(run: Run, cameras: Cameras) -> None:
    freed_s = time.monotonic()
    until(lambda: any(answer.status == 200 and answer.sent_s > freed_s for answer in cameras.answers.copy()))
    until(lambda: run.whole)
    run.figures["back_after_s"] = round(time.monotonic() - freed_s, 2)
    run.expect(run.figures["back_after_s"] <= BACK_S, f"it took longer than {BACK_S} s to be back")


def test_with_sixty_four_descriptors_it_stays_and_is_back_when_idle_clients_leave(tmp_path: Path) -> None:
    with (
        broken_machine("64 descriptors", "ulimit -n 64", soak_project(tmp_path / "soak")) as run,
        ExitStack() as stack,
    ):
        run.figures["idle"] = _open_idle(stack, run.server, 300)
        until(lambda: _says(run.server, "there is no descriptor for a connection"))
        with Cameras(run.server.port, key=API_KEY) as cameras:
            before_s, begun_s = _cpu_s(run), time.monotonic()
            answers = cameras.run(5.0)
            share = (_cpu_s(run) - before_s) / (time.monotonic() - begun_s)
            run.figures["while_exhausted"] = summary(answers)["statuses"]
            good = [answer for answer in answers if answer.status == 200]
            run.expect(len(good) > 100, f"only {len(good)} frames were answered where descriptors are short")
            stack.close()
            _back_after_s(run, cameras)
        run.figures["cpu_while_exhausted"] = round(share, 2)
        run.expect(share < MOST_CPU, f"it used {share:.0%} of a core")
        with run.cameras() as cameras:
            cameras.run(3.0)


def _everybody(run: Run) -> list[int]:
    roles = ("template", "worker", "master", "front")
    return [run.supervisor, *(pid for role in roles for pid in pids(run.supervisor, role))]


def _without_threads(run: Run, limit: Crowd) -> None:
    """No thread and no process can be made while cameras come and a worker is killed; then they can again."""
    for pid in _everybody(run):
        limit.enter(pid)
    limit.stays_as_it_is()
    fronts = pids(run.supervisor, "front")
    with run.cameras(count=64, per_s=200.0) as cameras:
        cameras.run(1.0)
        os.kill(at_work(run.supervisor)[0], signal.SIGKILL)
        before_s, begun_s = _cpu_s(run), time.monotonic()
        answers = cameras.run(5.0)
        run.figures["cpu_while_exhausted"] = round((_cpu_s(run) - before_s) / (time.monotonic() - begun_s), 2)
        good = [answer for answer in answers if answer.status == 200]
        run.figures["while_exhausted"] = summary(answers)["statuses"]
        run.expect(len(good) > 100, f"only {len(good)} frames were answered while no thread could be made")
        run.expect(pids(run.supervisor, "front") == fronts, "a front ended because it had no thread")
        limit.may_grow()
        _back_after_s(run, cameras)
        cameras.run(3.0)
    run.expect(_says(run.server, "no thread can be started"), "nobody was told that a front has no thread")


def test_without_threads_or_processes_it_goes_on_with_those_that_it_has(tmp_path: Path) -> None:
    project = soak_project(tmp_path / "soak", work_s=0.002)
    with crowd() as limit, broken_machine("no thread, no process", "true", project, "--fronts", "2") as run:
        _without_threads(run, limit)


def test_beside_twenty_thousand_idle_connections_frames_are_answered(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(IDLE, hard - 1000)
    try:
        project = soak_project(tmp_path / "soak")
        with broken_machine("20,000 idle connections", "true", project) as run, ExitStack() as stack:
            front = pids(run.supervisor, "front")[0]
            with run.cameras() as cameras:
                cameras.run(1.0)
                before_kib, before = _rss_kib(front), _sockets(front)
                run.figures["idle"] = _open_idle(stack, run.server, count)
                run.figures["held"] = held = _sockets(front) - before
                run.figures["kib_per_held"] = round((_rss_kib(front) - before_kib) / held, 2)
                run.expect(held > 1000, f"the front holds {held} of them only: this test tests nothing")
                run.expect(run.figures["kib_per_held"] <= 30, "an idle connection costs more than 30 kB")
                cameras.run(10.0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _rss_kib(pid: int) -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1])


def _sockets(pid: int) -> int:
    return sum(1 for entry in Path(f"/proc/{pid}/fd").iterdir() if str(entry.readlink()).startswith("socket:"))
