"""Projects and pictures for commands that try a project: what happens to a frame is said by its first pixel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.support.pictures import png
from tests.support.running import CHECKOUT, write_project

FLOW = '[[flow]]\nmodule = "code"\nfile = "code/judge.py"\n'
OK, NOK, CRASH, EXIT, HANG, RAISE, GREEDY, DEAF = 10, 20, 30, 40, 50, 60, 70, 80
JUDGE = """
import os
import signal
import threading


def main(context):
    mark = int(context["image"][0, 0, 0])
    context["mark"] = mark
    context["gap"] = {"value": mark / 10, "unit": "mm"}
    context["result"] = mark == 10
    context["score"] = mark / 100
    if mark == 20:
        context["detectedRectangles"].append(
            {"x": 2, "y": 3, "width": 10, "height": 8, "classNames": [{"label": "scratch"}]}
        )
    elif mark == 30:
        os.kill(os.getpid(), signal.SIGSEGV)
    elif mark == 40:
        os._exit(9)
    elif mark == 50:
        while True:
            pass
    elif mark == 60:
        raise ValueError("too odd")
    elif mark == 70:
        bytearray(1 << 40)
    elif mark == 80:
        threading.Thread(target=threading.Event().wait).start()
        os.closerange(3, 1000)
"""


def framemill(
    *arguments: object, env: dict[str, str] | None = None, said: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; `said` is what somebody types."""
    return subprocess.run(
        command(*arguments),
        cwd=CHECKOUT,
        env={**os.environ, **(env or {})},
        input=said,
        stdin=subprocess.DEVNULL if said is None else None,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def command(*arguments: object) -> list[str]:
    """The command line of ours."""
    return [sys.executable, "-m", "service.cli", *map(str, arguments)]


def judge(folder: Path, server: str = "") -> Path:
    """Write the project, with a table [server]."""
    return write_project(folder, f"{FLOW}[server]\n{server}\n", judge=JUDGE)


def picture(path: Path, mark: int) -> Path:
    """Write a grey picture of 64 x 48 px with `mark` in its first pixel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((48, 64, 3), 128, np.uint8)
    image[0, 0] = mark
    path.write_bytes(png(image))
    return path


def children_of(pid: int) -> list[int]:
    """The processes that `pid` has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
