"""A server with all that the page shows: a history with pictures, parts of views, inputs, a threshold, alerts, keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import httpx
import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page

from tests.clients.browser import console_errors
from tests.clients.guests import add_key
from tests.support.faults import until
from tests.support.pictures import png
from tests.support.running import Server, command, serving
from tests.support.taught import FLOW, good_folder, plate, untaught_project

HOSTILE = "".join(f"<i onload=x{n}()>'\"&{{{{7*7}}}}\u202e\\" for n in range(25))[:500]
REST = """
[[flow]]
module = "code"
file = "code/tell.py"

[part]
views = ["top", "side"]
wait_ms = 60000

[[input]]
name = "gap"
kind = "number"
label = "Largest gap"
min = 0.1
max = 2
step = 0.05
unit = "mm"
default = 0.8

[[input]]
name = "lot"
kind = "text"
label = "Lot"
max_length = 500

[[input]]
name = "shift"
kind = "select"
label = "Shift"
choices = ["early", "late", "night"]

[[input]]
name = "strict"
kind = "switch"
label = "Also small scratches"

[server]
workers = 1
record = "async"
pictures = "nok"
pictures_every = 2
takt_ms = 500

[[server.alerts]]
name = "cracks"
when = "nok_in_a_row"
label = "crack"
frames = 3
hold = true
"""
TELL = """
import json

def main(context):
    asked = json.loads(context["data"]) if context["data"].startswith("{") else {}
    label = asked.get("label", "scratch")
    for number in range(asked.get("rectangles", 0)):
        context["detectedRectangles"].append(
            {"x": 56 + number % 20 * 3, "y": 30 + number // 20 * 3, "width": 24, "height": 18, "label": label}
        )
    if "rectangles" in asked:
        context["result"] = False
    context["found"] = dict(context["operatorInput"])
    gap_mm = 0.4 + len(context["data"]) % 7 / 20
    context["measures"] = {"gap": {"value": gap_mm, "unit": "mm", "min": 0.1, "max": 0.8, "ok": True}}
"""
Scheme = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class Line:
    """The server, and a key of each scope."""

    server: Server
    keys: dict[str, str]

    def client(self, scope: str = "analyze") -> httpx.Client:
        """A client with a key of this scope."""
        return self.server.client(**{"X-API-Key": self.keys[scope]})

    def send(self, image: NDArray[np.uint8], data: str = "", **query: str) -> dict[str, Any]:
        """Have a frame inspected, and return its context."""
        with self.client() as client:
            answer = client.post("/analyze_image", params={"data": data, **query}, content=png(image))
            answer.raise_for_status()
            found: dict[str, Any] = answer.json()
            return found

    def newest(self, **query: str) -> dict[str, Any]:
        """Return the newest frame of the history that this is true of, once there is one."""
        with self.client("operate") as client:
            return dict(
                until(lambda: client.get("/api/v1/frames", params=query).raise_for_status().json()["frames"])[0]
            )

    def kept(self, **query: str) -> str:
        """The id of that frame, once its picture is kept."""
        until(lambda: (self.newest(**query).get("picture") or {}).get("kept"))
        return str(self.newest(**query)["id"])


def stained(number: int, strength: float = 60.0) -> NDArray[np.uint8]:
    """A plate with a stain in its middle, 128 x 96 px."""
    y, x = np.mgrid[:96, :128]
    stain = strength * np.exp(-(((x - 70) / 7) ** 2) - ((y - 40) / 7) ** 2)
    return np.asarray(np.clip(plate(number) - stain, 0, 255), np.uint8)


def large(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same as a camera of more pixels has it."""
    return np.asarray(cv2.resize(image, None, fx=2, fy=2), np.uint8)


@contextmanager
def everything(folder: Path) -> Iterator[Line]:
    """Teach and serve it."""
    project = untaught_project(folder / "plates", FLOW)
    done = command(
        "train", project, good_folder(folder / "good", 8), "--method", "neighbours", "--report", folder / "learned.html"
    )
    assert done.returncode == 0, done.stderr
    (project / "code").mkdir(exist_ok=True)
    (project / "code" / "tell.py").write_text(TELL)
    with (project / "framemill.toml").open("a") as file:
        file.write(REST)
    keys = {scope: add_key(f"k-{scope}", scope, folder / "keys.toml") for scope in ("analyze", "operate", "admin")}
    with serving(project, "--workers", "1", "--fronts", "2", "--keys-file", str(folder / "keys.toml")) as server:
        yield Line(server, keys)


@contextmanager
def looking(
    line: Line,
    browser: Browser,
    *,
    scope: str = "operate",
    size: tuple[int, int] = (1280, 800),
    scheme: Scheme = "light",
    locale: str = "en-GB",
    refused: str = "",
) -> Iterator[Page]:
    """A browser that is signed in; its console must have no error, but that of a status that it is `refused` with."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, locale=locale)
    try:
        page = context.new_page()
        said = console_errors(page)
        page.goto(f"{line.server.url}/sign_in")
        page.keyboard.type(line.keys[scope])
        page.keyboard.press("Enter")
        page.wait_for_url(lambda address: not address.endswith("/sign_in"))
        yield page
        assert [one for one in said if not (refused and refused in one)] == []
    finally:
        context.close()
