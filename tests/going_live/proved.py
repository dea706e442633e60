"""A project whose proof can be broken in every way, and a server of it that is asked to take such a version over."""

from __future__ import annotations

from pathlib import Path

import httpx
import numpy as np

from tests.support.pictures import png
from tests.support.running import Server, write_project

GOOD, BAD = 10, 20  # the grey level of a frame says which part it is
FLOW = """
[[flow]]
module = "code"
file = "code/judge.py"

[[proof]]
frame = "proof/good.png"
result = true
labels = []

[[proof]]
frame = "proof/bad.png"
result = false
labels = ["scratch"]
holds = "gap.value > 1.5"
"""
JUDGE = """
import os


def main(context):
    mark = int(context["image"][0, 0, 0])
    context["edition"] = 1
    context["gap"] = {"value": mark / 10}
    context["result"] = mark == 10
    context["asProof"] = os.environ.get("FRAMEMILL_PROOF", "")
    if mark == 20:
        context["detectedRectangles"].append(
            {"x": 2, "y": 3, "width": 10, "height": 8, "classNames": [{"label": "scratch"}]}
        )
"""


def part(mark: int) -> bytes:
    """A picture of such a part, PNG."""
    return png(np.full((24, 32), mark, np.uint8))


def proved_project(folder: Path, judge: str = JUDGE, toml: str = "") -> Path:
    """Write the project, which is right about its proof."""
    project = write_project(folder, f"{toml}{FLOW}", judge=judge)
    (project / "proof").mkdir(exist_ok=True)
    (project / "proof" / "good.png").write_bytes(part(GOOD))
    (project / "proof" / "bad.png").write_bytes(part(BAD))
    return project


def edition(number: int, more: str = "") -> str:
    """The code of another edition, with `more` behind it, which may do what it likes with context and mark."""
    return JUDGE.replace('"edition"] = 1', f'"edition"] = {number}') + more


def save(project: Path, code: str) -> None:
    (project / "code" / "judge.py").write_text(code)


def ask(server: Server, path: str = "reload", **parameters: str) -> httpx.Response:
    """Ask for a change, and wait for its outcome."""
    with server.client() as client:
        return client.post(f"/api/v1/{path}", params={"wait_s": "60", **parameters})


def edition_of(server: Server) -> int:
    """Which edition answers."""
    with server.client() as client:
        context = client.post("/analyze_image", content=part(GOOD)).raise_for_status().json()
        assert context["asProof"] == ""
        return int(context["edition"])
