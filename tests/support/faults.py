"""A project that misbehaves when told to, and what tests ask of its server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.running import Server, serving, write_project

FAULT = """
import os, pathlib, signal, time

def main(context):
    what, _, token = context["data"].partition(":")
    here = pathlib.Path(os.environ["FRAMEMILL_DATA"])
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "kill-once" and not (here / token).exists():
        (here / token).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "exit":
        os._exit(0)
    if what == "spin":
        while True:
            pass
    if what == "wait":
        with open(here / f"{token}.pids", "a") as pids:
            pids.write(f"{os.getpid()}\\n")
        while not (here / token).exists():
            time.sleep(0.005)
    context["pid"] = os.getpid()
    context["token"] = token
"""
FRAME = bytes(16 * 16)
RAW = "/analyze_raw_image?width=16&height=16"
GIVE_UP_S = 60.0


def until(condition: Callable[[], Any]) -> Any:
    """Ask again and again until there is something; fails after a generous time."""
    give_up = time.monotonic() + GIVE_UP_S
    while not (found := condition()):
        assert time.monotonic() < give_up, "it did not happen"
    return found


def faulty(folder: Path, toml: str = "") -> Path:
    return write_project(folder, f'{toml}\n[[flow]]\nmodule = "code"\nfile = "code/fault.py"\n', fault=FAULT)


@pytest.fixture(name="server")
def faulty_server(tmp_path: Path) -> Iterator[Server]:
    """A server of its own for each test of the file that imports this, with the project above."""
    with serving(faulty(tmp_path / "faulty"), env={"FRAMEMILL_DEADLINE_MS": "5000"}) as running:
        yield running


def post(server: Server, data: str) -> httpx.Response:
    with server.client() as client:
        return client.post(RAW, params={"data": data, "width": 16, "height": 16}, content=FRAME)


def whole(server: Server) -> bool:
    """Whether every wanted worker is ready and every slot is free but the one that keeps the last frame."""
    status = server.status()
    slots, workers = status["slots"], status["workers"]
    return bool(workers["ready"] == workers["wanted"] and slots["free_here"] >= slots["per_front"])


def begin(server: Server, token: str) -> tuple[threading.Thread, list[httpx.Response], Path]:
    """Post a frame that waits for the file `token`; returns when a worker has it, with that file's path."""
    answers: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: answers.append(post(server, f"wait:{token}")))
    thread.start()
    gate = server.project / "data" / token
    until(lambda: pids_of(gate))
    return thread, answers, gate


def pids_of(gate: Path) -> list[int]:
    pids = gate.with_name(f"{gate.name}.pids")
    return [int(pid) for pid in pids.read_text().split()] if pids.exists() else []


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_of(pid: int) -> str:
    """Return it; '' of a process that is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


RECORDER = "service.beside.recorder"


def programs_of(pid: int, module: str) -> list[int]:
    """The children of a server's process that run `module`."""
    return [child for child in children_of(pid) if module in command_of(child)]


def program_of(server: Server, module: str) -> int:
    """The process of a server that runs `module`; waits until there is one."""
    found: list[int] = until(lambda: programs_of(server.process.pid, module))
    return found[0]


def fronts_master(server: Server) -> int:
    return programs_of(server.process.pid, "service.server.front")[0]


def state_of(pid: int) -> str:
    """Its letter in /proc: R, S, T (stopped), Z (ended, not reaped yet); nothing where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


def is_gone(pid: int) -> bool:
    return state_of(pid) in {"Z", ""}


def at_work(server: Server, token: str) -> set[int]:
    """The two workers that take frames: each is given one that waits."""
    with ThreadPoolExecutor(2) as cameras:
        answers = [cameras.submit(post, server, f"wait:{token}") for _ in range(2)]
        gate = server.project / "data" / token
        until(lambda: len(pids_of(gate)) == 2)
        gate.touch()
        return {answer.result().json()["pid"] for answer in answers}
