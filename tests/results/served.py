"""A server whose results tests follow, with a flow that does as `data` says."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Self

import httpx

from service.results.follow import Follower, Start
from service.results.record import Kind, Record
from tests.support.faults import until
from tests.support.running import Server, write_project

FRAME = bytes(16 * 16)
RAW = "/analyze_raw_image?width=16&height=16"
FLOW = """
import os, pathlib, time

def main(context):
    what, _, rest = context["data"].partition(":")
    context["id"] = context["frame"]["id"]
    if what == "nok":
        context["result"], context["score"] = False, 0.9
        context["detectedRectangles"].append({"x": 1, "y": 1, "width": 2, "height": 2, "label": "scratch"})
    if what == "raise":
        raise ValueError("no")
    if what == "large":
        context["text"] = "x" * 100_000
    if what == "kill":
        os.kill(os.getpid(), 9)
    if what == "wait":
        here = pathlib.Path(os.environ["FRAMEMILL_DATA"])
        (here / (rest + ".begun")).touch()
        while not (here / rest).exists():
            time.sleep(0.005)
    if what == "slow":
        time.sleep(float(rest))
"""


def project_in(folder: Path, toml: str = "") -> Path:
    return write_project(folder, f'{toml}\n[[flow]]\nmodule = "code"\nfile = "code/flow.py"\n', flow=FLOW)


def follow(server: Server, start: Start = Start.NOW) -> Follower:
    return Follower.of(server.project / ".framemill", "test", start)


def next_frames(follower: Follower, count: int = 1) -> list[Record]:
    """The next records of frames, as many; and none beside them."""
    found: list[Record] = []

    def there() -> bool:
        follower.wait(0.1)
        found.extend(record for record in follower.read() if record.head.kind is Kind.FRAME)
        return len(found) >= count

    until(there)
    assert len(found) == count, [record.document(with_context=False) for record in found]
    return found


def post(server: Server, data: str = "", path: str = RAW, **parameters: str) -> httpx.Response:
    with server.client() as client:
        given = {**dict(httpx.URL(path).params), "data": data, **parameters}
        return client.post(path.partition("?")[0], params=given, content=FRAME)


class Cameras:
    """Post frames without end, each with a part of its own, until the end of the block."""

    def __init__(self, server: Server, count: int = 3) -> None:
        self.answers: dict[str, tuple[int, str]] = {}  # by part: the status, and the id or the code of the error
        self.answered_ns: dict[str, int] = {}  # by id of a frame that was inspected
        self.cut: set[str] = set()  # parts without an answer
        self._server = server
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(count)]

    def _run(self, camera: int) -> None:
        number = 0
        client = self._server.client()
        while not self._over.is_set():
            part = f"{camera}-{number}"
            number += 1
            try:
                answer = client.post(f"{RAW}&part={part}&data={'nok' if number % 3 == 0 else ''}", content=FRAME)
            except httpx.TransportError:
                self.cut.add(part)
                client.close()
                client = self._server.client()
                continue
            told = answer.json()
            if answer.status_code == 200:
                self.answered_ns[told["id"]] = time.time_ns()
            self.answers[part] = answer.status_code, told["id"] if answer.status_code == 200 else told["code"]
        client.close()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def go_on(self, count: int = 60) -> None:
        """Wait until so many more frames were inspected."""
        enough = len(self.inspected) + count
        until(lambda: len(self.inspected) >= enough)

    @property
    def inspected(self) -> dict[str, str]:
        """The ids of frames that were answered with a verdict, by their parts."""
        return {part: told for part, (status, told) in [*self.answers.items()] if status == 200}

    @property
    def statuses(self) -> set[int]:
        """All that there were."""
        return {status for status, _ in [*self.answers.values()]}
