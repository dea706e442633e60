"""A program beside the fronts: started, started again, asked to end in its turn, killed where it does not."""

from __future__ import annotations

import os
import selectors
import signal
import sys
from pathlib import Path

import pytest

from tests.support.children import processes_pool
from tests.support.faults import until
from tests.support.running import write_project
from workers.settings import PoolSettings
from workers.supervisor.program import Command, Ends, Program, ProgramPlan

SAYS = """
import os, signal, sys
def end(*_):
    open(sys.argv[1], "a").write(sys.argv[2] + " ends\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
open(sys.argv[1], "a").write(sys.argv[2] + " begins\\n")
while True:
    signal.pause()
"""


class Loop:
    """What a supervisor does with programs: it hears of ends, and starts what is due."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.programs: list[Program] = []

    def turn(self) -> None:
        for key, _ in self.selector.select(0.01):
            key.data()
        for program in self.programs:
            program.start_if_due()

    def runs_none(self) -> bool:
        self.turn()
        return not any(program.pids for program in self.programs)

    def add(self, said: Path, name: str = "it", *, code: str = SAYS, restarts: bool = True) -> Program:
        command = Command([sys.executable, "-c", code, str(said), name], dict(os.environ), ())
        self.programs.append(Program(ProgramPlan(name, lambda: command, restarts=restarts), self.selector))
        return self.programs[-1]


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def said(tmp_path: Path) -> Path:
    (tmp_path / "said").touch()
    return tmp_path / "said"


def _lines(loop: Loop, said: Path, count: int) -> list[str]:
    def there() -> list[str]:
        loop.turn()
        lines = said.read_text().splitlines()
        return lines if len(lines) >= count else []

    found: list[str] = until(there)
    return found


@pytest.mark.long
def test_it_is_started_again_after_a_pause_until_it_is_asked_to_end(
    loop: Loop, said: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program = loop.add(said)
    assert _lines(loop, said, 1) == ["it begins"]
    (first,) = program.pids
    os.kill(first, signal.SIGKILL)
    assert _lines(loop, said, 2) == ["it begins", "it begins"]
    assert "it ended with status -9; it is started again" in caplog.text
    program.terminate()
    assert _lines(loop, said, 3)[-1] == "it ends"
    until(loop.runs_none)
    assert not program.is_due
    assert caplog.text.count("ended with status") == 1


def test_one_that_does_not_restart_is_left_so(loop: Loop, said: Path, caplog: pytest.LogCaptureFixture) -> None:
    program = loop.add(said, code="import sys; sys.exit(3)", restarts=False)
    loop.turn()
    until(loop.runs_none)
    assert "it ended with status 3; it is left so" in caplog.text
    assert not program.is_due


def test_what_cannot_be_started_is_told_and_tried_again(
    loop: Loop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    command = Command([str(tmp_path / "nothing")], {}, ())
    program = Program(ProgramPlan("a recorder", lambda: command), loop.selector)
    program.start_if_due()
    assert "a recorder cannot be started at the moment" in caplog.text
    assert not program.pids


def test_a_server_ends_programs_in_their_turn(tmp_path: Path, said: Path) -> None:
    """With the fronts what brings something in; behind the workers what takes something on."""
    line = [sys.executable, "-c", SAYS, str(said)]
    beside = [
        ("taker", Ends.AFTER_WORKERS.name, [*line, "taker"]),
        ("bringer", Ends.WITH_FRONTS.name, [*line, "bringer"]),
    ]
    settings = PoolSettings(workers=1, fronts=1, slots=2, max_frame_mib=1, max_reply_mib=1)
    with processes_pool(write_project(tmp_path / "p"), settings, beside):
        until(lambda: said.read_text().count("begins") == 2)
    assert [line for line in said.read_text().splitlines() if "ends" in line] == ["bringer ends", "taker ends"]
