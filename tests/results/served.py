"""A server whose results tests follow, with a flow that does as `data` says."""

from __future__ import annotations

from pathlib import Path

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
