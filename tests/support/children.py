"""Programs that tests start as processes of their own."""

from __future__ import annotations

import importlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest

from workers.flow.project import load_project
from workers.pool.channel import Channel
from workers.pool.dispatch import QueueDispatch
from workers.pool.handover import Handover
from workers.pool.pool import Pool
from workers.settings import PoolSettings
from workers.supervisor.events import Event
from workers.supervisor.program import Command, Ends, ProgramPlan
from workers.supervisor.successor import Started

_WAITING_FRONT = """
import os, signal, sys
os.write(int(sys.argv[1]), b"r")
signal.pause()
"""


def from_debian(program: str) -> str:
    """Where a program is that Debian has; without it a test is skipped, in CI it fails."""
    return shutil.which(program, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin") or is_missing(program)


def is_missing(what: str) -> NoReturn:
    """Skip a test for what `make setup-system` installs, or fail it in CI, which has called that."""
    why = f"{what} is not installed: make setup-system (root) does that"
    if "CI" in os.environ:
        pytest.fail(why)
    pytest.skip(why)


@contextmanager
def processes_pool(
    project: Path, settings: PoolSettings, beside: Sequence[tuple[str, str, list[str]]] = ()
) -> Iterator[Pool]:
    """A supervisor with real workers in a child, and this process as its only front.

    `beside` are programs: the name of each, when it ends, and its command line.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    arguments = [str(project), settings.model_dump_json(), str(theirs.fileno())]
    environment = {**os.environ, "BESIDE": json.dumps(beside)}
    child = subprocess.Popen([sys.executable, __file__, *arguments], pass_fds=[theirs.fileno()], env=environment)
    theirs.close()
    try:
        message, fds, _, _ = socket.recv_fds(ours, 65536, 253)
        assert message, "the supervisor did not start"
        handover = Handover.model_validate_json(message)
        here = dict(zip(handover.fds, fds, strict=True))
        done_fds = tuple(here[fd] for fd in handover.channel.done_fds)
        channel = Channel(here[handover.channel.submit_fd], -1, done_fds)
        arena = type(handover.arena)(here[handover.arena.fd], handover.arena.geometry)
        assert select.select([ours], [], [], 60)[0], "the supervisor did not get ready"
        assert ours.recv(16) == b"ready"
        dispatch = QueueDispatch(channel)
        yield Pool(arena, 0, dispatch, wake=dispatch.wake)
        for fd in fds:
            os.close(fd)
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(60)
        ours.close()


def _signal_at(step: str, number: int, folder: Path) -> None:
    """Let a worker send itself this signal at `step`: MODULE:FUNCTION:before or :after.

    Where the file `armed` is there, and once: it is taken away.
    """
    module_name, function, when = step.split(":")
    module = importlib.import_module(module_name)
    owner: Any = module
    *path, name = function.split(".")
    for part in path:
        owner = getattr(owner, part)
    real = owner.__dict__[name]
    plain = real.__func__ if isinstance(real, staticmethod) else real

    def meet() -> None:
        try:
            (folder / "armed").unlink()
        except FileNotFoundError:
            return
        os.kill(os.getpid(), number)

    def wrapped(*args: Any, **named: Any) -> Any:
        if when == "before":
            meet()
        result = plain(*args, **named)
        meet()
        return result

    setattr(owner, name, staticmethod(wrapped) if isinstance(real, staticmethod) else wrapped)


def _no_successor() -> Started:
    raise OSError


def _supervise(project: Path, settings: PoolSettings, link: socket.socket) -> int:
    from workers.supervisor.supervisor import Supervisor  # noqa: PLC0415 - the test that imports this file must not fork

    if step := os.environ.get("SIGNAL_AT"):
        _signal_at(step, int(os.environ["SIGNAL"]), project)

    def front_command(handover: Handover) -> Command:
        socket.send_fds(link, [handover.model_dump_json().encode()], list(handover.fds))
        line = [sys.executable, "-c", _WAITING_FRONT, str(handover.supervisor_fd)]
        return Command(line, dict(os.environ), handover.fds)

    def announce(event: Event, _: int) -> None:
        if event is Event.READY:
            link.send(b"ready")

    return Supervisor(
        settings,
        load_project(project),
        front_command=front_command,
        load_project=lambda: load_project(project),
        announce=announce,
        tend=lambda: None,
        start_successor=_no_successor,
        beside=[
            ProgramPlan(name, partial(Command, line, dict(os.environ), ()), Ends[ends])
            for name, ends, line in json.loads(os.environ["BESIDE"])
        ],
    ).run()


if __name__ == "__main__":
    folder, chosen, number = sys.argv[1:]
    sys.exit(_supervise(Path(folder), PoolSettings.model_validate_json(chosen), socket.socket(fileno=int(number))))
