"""SIGUSR2 to the supervisor: another version takes over once it is ready, or the one before goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.soak.kit.cameras import Cameras
from tests.soak.kit.project import soak_project
from tests.succession.upgrades import Line, line_of_servers
from tests.support.faults import FRAME, GIVE_UP_S, RAW, children_of, faulty, is_gone, until
from tests.support.running import write_project

pytestmark = pytest.mark.long

_SLOW = """
import os, pathlib, time
here = pathlib.Path(os.environ["FRAMEMILL_DATA"])
(here / "loading").touch()
while (here / "hold").exists():
    time.sleep(0.005)

def main(context):
    pass
"""


@contextmanager
def slow_line(tmp_path: Path, boot_ms: int = 60_000) -> Iterator[Line]:
    """A server whose project can be made to load for as long as one likes."""
    project = write_project(tmp_path / "p", '[[flow]]\nmodule = "code"\nfile = "code/slow.py"\n', slow=_SLOW)
    with line_of_servers(project, tmp_path / "code", env={"FRAMEMILL_BOOT_MS": str(boot_ms)}) as line:
        yield line


def begin_next(line: Line) -> int:
    """Have it start the one that is to follow, which then loads until it is let; returns that one's process id."""
    data = line.server.project / "data"
    before = set(children_of(line.pid))
    (data / "loading").unlink()
    (data / "hold").touch()
    line.ask()
    until((data / "loading").exists)
    (started,) = set(children_of(line.pid)) - before
    return started


def let_load(line: Line) -> None:
    (line.server.project / "data" / "hold").unlink()


@pytest.fixture(name="line")
def line_with_faults(tmp_path: Path) -> Iterator[Line]:
    with line_of_servers(faulty(tmp_path / "p"), tmp_path / "code", env={"FRAMEMILL_BOOT_MS": "20000"}) as line:
        yield line


def test_a_version_that_cannot_start_leaves_the_one_before(line: Line) -> None:
    line.install_broken()
    line.ask()
    until(lambda: line.said("this one goes on"))
    with line.server.client() as client:
        assert client.post(RAW, content=FRAME).status_code == 200
        assert client.get("/readyz").status_code == 200
    assert line.version == 0
    line.install_next()
    line.upgrade()
    assert line.version == 1
    assert line.server.process.wait(GIVE_UP_S) == 0


def test_under_load_nobody_is_cut_or_refused(tmp_path: Path) -> None:
    with (
        line_of_servers(soak_project(tmp_path / "p", work_s=0.001), tmp_path / "code", "--fronts", "2") as line,
        Cameras(line.server.port, per_s=200) as cameras,
    ):
        cameras.run(0.5)
        for number in range(1, 4):
            line.install_next()
            line.upgrade()
            assert line.version == number
        cameras.run(0.5)
    assert len(cameras.answers) > 100
    assert {answer.status for answer in cameras.answers} == {200}
    assert [answer for answer in cameras.answers if answer.wrong] == []


def test_while_the_next_one_loads_the_one_before_answers_and_what_is_switched_holds(tmp_path: Path) -> None:
    with slow_line(tmp_path) as line:
        begin_next(line)
        line.server.process.send_signal(signal.SIGHUP)
        until(lambda: line.said("about to follow this one"))
        with line.server.client() as client:
            for _ in range(20):
                assert client.post(RAW, content=FRAME).status_code == 200
            client.put("/api/v1/process", json={"process": False}).raise_for_status()
        let_load(line)
        assert line.server.process.wait(GIVE_UP_S) == 0
        with line.server.client() as client:
            until(lambda: client.get("/api/v1/process").json() == {"process": False})


def test_one_that_does_not_get_ready_is_given_up(tmp_path: Path) -> None:
    with slow_line(tmp_path, boot_ms=1000) as line:
        before = set(children_of(line.pid))
        begin_next(line)
        until(lambda: line.said("did not load the project within 1000 ms"))
        until(lambda: line.said("this one goes on"))
        with line.server.client() as client:
            assert client.get("/readyz").status_code == 200
        assert set(children_of(line.pid)) == before


def test_a_server_that_stops_takes_the_one_that_would_follow_with_it(tmp_path: Path) -> None:
    with slow_line(tmp_path) as line:
        started = begin_next(line)
        family = [started, *children_of(started)]
        assert line.server.stop() == 0
        until(lambda: all(map(is_gone, family)))


def test_one_whose_starter_is_killed_serves_alone(tmp_path: Path) -> None:
    with slow_line(tmp_path) as line:
        before = set(children_of(line.pid))
        started = begin_next(line)
        family = [pid for child in before for pid in (child, *children_of(child))]
        os.kill(line.pid, signal.SIGKILL)
        line.server.process.wait()
        until(lambda: all(map(is_gone, family)))
        line.pid = started
        let_load(line)
        with line.server.client() as client:
            until(lambda: client.get("/readyz").status_code == 200)
            assert client.post(RAW, content=FRAME).status_code == 200
