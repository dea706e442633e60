"""What tests of versions share: a project that tells which version it is, and workers that are killed under load."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import orjson

from tests.support.faults import FRAME, RAW, children_of, until
from tests.support.running import Server, write_project
from workers.memory.control import Control, WorkerRow
from workers.pool.job import Job
from workers.pool.pool import Pool

CHECK = """
import os, pathlib
import helper

HERE = pathlib.Path(__file__).parent

def main(context):
    import late  # at the first frame only
    context["limit"] = int((HERE / "limits.csv").read_text())
    context["numbers"] = [helper.NUMBER, late.NUMBER]
    context["pid"] = os.getpid()
    if context["data"] == "raise":
        helper.fail()
"""
HELPER = "NUMBER = {}\n\n\ndef fail():\n    1 / 0\n"
FLOW = """[[flow]]
module = "reference"
image = "references/{data}.png"
[[flow]]
module = "code"
file = "code/check.py"
"""


def versioned(folder: Path, toml: str = "", check: str = CHECK) -> Path:
    """A project with code, late code, a list beside it and references that are read when they are asked for."""
    project = write_project(folder, toml + FLOW, check=check, helper=HELPER.format(1), late="NUMBER = 1\n")
    (project / "code" / "limits.csv").write_text("1")
    (project / "references").mkdir()
    for name in ("", "raise", "other"):
        cv2.imwrite(str(project / "references" / f"{name}.png"), np.zeros((16, 16), np.uint8))
    return project


def next_edition(project: Path, number: int) -> None:
    """Edit all of it: every part says `number` from now on."""
    (project / "code" / "helper.py").write_text(HELPER.format(number))
    (project / "code" / "late.py").write_text(f"NUMBER = {number}\n")
    (project / "code" / "limits.csv").write_text(str(number))


@dataclass(slots=True)
class Line:
    """Cameras that post as fast as they are answered."""

    answers: list[httpx.Response] = field(default_factory=list)
    by_camera: dict[int, list[str]] = field(default_factory=dict)  # the versions that answered, in their order

    @property
    def contexts(self) -> list[dict[str, Any]]:
        """What was answered; fails where that was an error."""
        failed = [answer.text for answer in self.answers if answer.status_code != 200]
        assert not failed, failed
        return [answer.json() for answer in self.answers]


@contextmanager
def under_load(
    server: Server, cameras: int = 3, data: str = "other", path: str = RAW, frame: bytes = FRAME
) -> Iterator[Line]:
    """Post frames all the while."""
    line, over = Line(), threading.Event()

    def post_on() -> None:
        seen = line.by_camera[threading.get_ident()] = []
        with server.client() as client:
            while not over.is_set():
                answer = client.post(f"{path}&data={data}", content=frame)
                line.answers.append(answer)
                seen.append(answer.json().get("flowVersion", ""))

    with ThreadPoolExecutor(cameras) as threads:
        running = [threads.submit(post_on) for _ in range(cameras)]
        try:
            yield line
        finally:
            over.set()
            for one in running:
                one.result()


def workers_of(server: Server) -> set[int]:
    """The workers that are there: those which the kernel would take first."""
    return {pid for pid in children_of(server.process.pid) if _score(pid) == 900}


def template_of(server: Server) -> int:
    """The one template process."""
    return int(until(lambda: templates_of(server) if len(templates_of(server)) == 1 else None)[0])


def templates_of(server: Server) -> list[int]:
    """All template processes."""
    return [pid for pid in children_of(server.process.pid) if _score(pid) == 300]


def _score(pid: int) -> int:
    try:
        # a value that changes while it is read may come twice
        return int(Path(f"/proc/{pid}/oom_score_adj").read_text().split()[0])
    except (OSError, IndexError):
        return 0


def await_answers(line: Line) -> None:
    """Wait until each frame that is at work now has its answer."""
    had = {camera: len(seen) for camera, seen in line.by_camera.items()}
    until(lambda: all(len(seen) > had.get(camera, 0) for camera, seen in line.by_camera.items()))


def kill_all_workers(server: Server) -> None:
    """Kill those that there are, and wait until others are there."""
    deaths = server.status()["workers"]["deaths"]
    before = workers_of(server)
    assert before
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    until(lambda: server.status()["workers"]["deaths"] >= deaths + len(before))
    until(lambda: server.status()["workers"]["ready"] == server.status()["workers"]["wanted"])
    assert not before & workers_of(server)


def replaced_in_ms(pool: Pool) -> float:
    """Kill the only worker at work; returns how long it takes until the next is, as the frame memory says it."""
    words = pool.control.words
    deaths = words[Control.WORKER_DEATHS]
    until(lambda: sum(row[WorkerRow.PID] > 0 for row in pool.control.workers) == 2)  # a spare is there, too
    with pool.lease(time.monotonic_ns() + 10**10, 0) as lease:
        victim = orjson.loads(lease.run(Job(width=2, height=2, pixel_format="Mono8"), 4).context)["pid"]
    begun_s = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    while words[Control.WORKER_DEATHS] == deaths or words[Control.WORKERS_READY] == 0:
        time.sleep(0.0002)
    return (time.monotonic() - begun_s) * 1000
