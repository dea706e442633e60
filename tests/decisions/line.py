"""A line whose frames somebody decides about: a server with a history, and pictures that it has kept."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
from numpy.typing import NDArray

from service.history.places.place import sqlite_in
from tests.history.kept import rows
from tests.support.faults import until
from tests.support.pictures import png
from tests.support.running import Server, serving, write_project

WIDTH, HEIGHT = 320, 240
FLOW = """
import json

def main(context):
    said = json.loads(context["data"]) if context["data"].startswith("{") else {}
    context["result"] = said.get("result", True)
    context["score"] = said.get("score", 0.1)
    pits = [(n % 20 * 7, n // 20 * 11, 5, 8, "pit") for n in range(said.get("pits", 0))]
    for x, y, width, height, label in said.get("found", pits):
        context["detectedRectangles"].append({"x": x, "y": y, "width": width, "height": height, "label": label})
    context["measures"] = {"bore": {"value": 3.52, "unit": "mm", "min": 3.0, "max": 4.0, "ok": True}}
    context["more"] = {one[4]: [one[4], {one[4]: one[4]}] for one in said.get("found", [])[:2]}
"""
BAD = json.dumps({"result": False, "score": 0.9, "found": [[185, 55, 64, 58, "scratch"]]})


def part_picture(number: int, *, is_bad: bool) -> NDArray[np.uint8]:
    """A metal part on a belt; a bad one has a scratch."""
    noise = np.random.default_rng(number).integers(0, 18, (HEIGHT, WIDTH, 3))
    picture = (58 + noise).astype(np.uint8)
    cv2.rectangle(picture, (60, 40), (260, 200), (176, 180, 186), -1)
    cv2.circle(picture, (160, 120), 36, (70, 74, 80), -1)
    if is_bad:
        cv2.line(picture, (190, 60), (244, 108), (240, 244, 250), 3)
    return picture


@contextmanager
def line(folder: Path, *arguments: str, toml: str = "") -> Iterator[Server]:
    """Serve the line."""
    project = write_project(folder, f'{toml}\n[[flow]]\nmodule = "code"\nfile = "code/flow.py"\n', flow=FLOW)
    record = () if "--record" in arguments else ("--record", "async", "--pictures", "all")
    with serving(project, "--workers", "1", *record, *arguments) as server:
        yield server


def send(server: Server, data: str = "", number: int = 0, **parameters: str) -> str:
    """Send a frame; returns its id. One with "result": false in its data shows a bad part."""
    content = png(part_picture(number, is_bad='"result": false' in data))
    with server.client() as client:
        answer = client.post("/analyze_image", params={"data": data, **parameters}, content=content)
        answer.raise_for_status()
    return newest(server, answer)


def newest(server: Server, answer: httpx.Response) -> str:
    """The id of the frame that has this answer, once it is in the history."""
    request_id = answer.headers["X-Request-Id"]
    query = f"SELECT printf('%016x%02x', came_ns, slot) FROM records WHERE request_id = '{request_id}'"

    def there() -> Sequence[Any]:
        try:
            return rows(history_of(server), query) if history_of(server).exists() else ()
        except sqlite3.OperationalError:  # it is being made
            return ()

    return str(until(there)[0][0])


def history_of(server: Server) -> Path:
    """The database of a server."""
    return sqlite_in(server.project / ".framemill")


def await_picture(server: Server, frame_id: str) -> None:
    """Wait until a frame's picture is kept."""

    def is_kept() -> bool:
        with server.client() as client:
            picture = client.get(f"/api/v1/frames/{frame_id}").json()["picture"]
        return bool(picture and picture["kept"])

    until(is_kept)


def lose_picture(server: Server, frame_id: str) -> None:
    """Have a picture be one that had to go."""
    with closing(sqlite3.connect(history_of(server), timeout=20)) as connection, connection:
        came_ns, slot = int(frame_id[:16], 16), int(frame_id[16:], 16)
        which = "(SELECT number FROM records WHERE came_ns = ? AND slot = ?)"
        lost = f"UPDATE pictures SET file = NULL, lost = 'it had to go' WHERE record = {which}"
        connection.execute(lost, (came_ns, slot))
