"""A line with everything on: history, pictures, parts of two views, inputs, a learned threshold, an alert."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import httpx
import numpy as np

from service.access.key_file import Word
from service.history.places.place import sqlite_in
from tests.clients.guests import add_key
from tests.support.faults import until
from tests.support.pictures import png
from tests.support.projects import GAP, LOT
from tests.support.running import Server, command, serving, write_project
from tests.support.taught import plate

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH_PX, HEIGHT_PX = 256, 192
PROJECT = f"""
[frame]
grey = true

[part]
views = ["top", "left"]
wait_ms = 600000

[[server.alerts]]
name = "scratches"
when = "nok_in_a_row"
label = "scratch"
frames = 3
hold = true

[[flow]]
module = "anomaly"
name = "surface"
file = "models/surface.npz"

[[flow]]
module = "code"
file = "code/tell.py"
{LOT}{GAP}"""
TELL = """
def main(context):
    context["seen"] = dict(context["operatorInput"])
    context["measures"] = {"bore": {"value": 3.5, "unit": "mm", "min": 3.0, "max": 4.0, "ok": True}}
    if context["data"] == "scratch":
        context["result"] = False
        context["detectedRectangles"].append({"x": 150, "y": 60, "width": 60, "height": 30, "label": "scratch"})
    if context["data"] == "pits":
        context["result"] = False
        for n in range(400):
            place = {"x": n % 20 * 12, "y": n // 20 * 9, "width": 5, "height": 5, "label": "pit"}
            context["detectedRectangles"].append({**place, "about": "x" * 300})
"""
RECORD = ("--record", "async", "--pictures", "nok", "--pictures-every", "3", "--free-disk-mib", "0")


@dataclass(frozen=True, slots=True)
class Line:
    """A running line and the keys of who works at it."""

    server: Server
    keys: dict[str, str]

    def client(self, who: str = "camera") -> httpx.Client:
        """A client with the key of somebody."""
        return self.server.client(**{"X-Api-Key": self.keys[who]})

    def get(self, path: str) -> Any:
        """What the API says at a path."""
        with self.client("chief") as client:
            return client.get(path).raise_for_status().json()

    def send(self, number: int = 1, strength: float = 0.0, **query: str) -> dict[str, Any]:
        """Have a plate inspected, with a stain as dark as `strength`; returns the answer's context."""
        with self.client() as client:
            answer = client.post("/analyze_image", params=query, content=png(picture(number, strength)))
            context: dict[str, Any] = answer.raise_for_status().json()
        return context | {"request": answer.headers["X-Request-Id"]}

    def recorded(self, sent: dict[str, Any]) -> str:
        """The id of a frame, once it is in the history."""
        query = "SELECT printf('%016x%02x', came_ns, slot) FROM records WHERE request_id = ?"

        def there() -> str:
            with closing(sqlite3.connect(sqlite_in(self.server.project / ".framemill"))) as database:
                row = database.execute(query, (sent["request"],)).fetchone()
            return row[0] if row else ""

        return str(until(there))

    def pictured(self, sent: dict[str, Any]) -> str:
        """The id of a frame, once its picture is kept."""
        frame = self.recorded(sent)
        until(lambda: (self.get(f"/api/v1/frames/{frame}")["picture"] or {}).get("kept"))
        return frame


def picture(number: int, strength: float = 0.0) -> NDArray[np.uint8]:
    """A plate of its own."""
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    large = cv2.resize(plate(number), (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)
    stain = strength * np.exp(-(((x - 70) / 14) ** 2) - ((y - 120) / 14) ** 2)
    found: NDArray[np.uint8] = np.clip(large - stain, 0, 255).astype(np.uint8)
    return found


@contextmanager
def whole_line(folder: Path) -> Iterator[Line]:
    """Serve it."""
    project = write_project(folder / "plates", PROJECT, tell=TELL)
    (folder / "good").mkdir()
    for number in range(8):
        (folder / "good" / f"{number}.png").write_bytes(png(picture(number)))
    done = command("train", project, folder / "good", "--method", "neighbours", "--report", folder / "learned.html")
    assert done.returncode == 0, done.stderr
    file = folder / "keys.json"
    keys = {who: add_key(who, scope, file) for who, scope in _WHO.items()}
    arguments = ("--keys-file", str(file), "--fronts", "2", "--workers", "1", "--takt-ms", "500", *RECORD)
    with serving(project, *arguments) as server:
        yield Line(server, keys)


_WHO: dict[str, Word] = {"camera": "analyze", "anna": "operate", "chief": "admin"}
