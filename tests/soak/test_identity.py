"""No answer is another frame's, over as many frames as one likes, while workers and fronts die and projects change.

The other chaos runs send what a line sends; this one sends as much as the machine takes: a hundred thousand frames in
`make soak`, SOAK_FRAMES=1000000 for a release.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter
from pathlib import Path

import httpx
import pytest

from service.trial.load import Load, Plan, Shot, run_cameras
from tests.soak.kit.census import control_words, pids
from tests.soak.kit.report import report
from tests.support.faults import until
from tests.support.running import Server, serving, write_project
from workers.memory.control import Control

FRAMES = int(os.environ.get("SOAK_FRAMES", "100_000"))
ROUND_S = 20.0
FAULT_S = 0.25
CAMERAS = 16
SHOTS = 1021  # a prime: cameras that drift apart still send different marks
WIDTH, HEIGHT = 64, 48
CODE = """
def main(context):
    image = context["image"]
    context["marks"] = [int.from_bytes(bytes(ends), "little") for ends in (image[0, 0], image[-1, -1])]
"""


def _shots() -> list[Shot]:
    """Frames that carry their mark in the first and the last pixel; every fourth has a request head of another kind."""
    rest = bytes(WIDTH * HEIGHT * 3 - 6)
    path = f"/analyze_raw_image?width={WIDTH}&height={HEIGHT}&context_in_body"
    return [
        Shot(
            path + ("&data=other" if mark % 4 == 0 else ""),
            (mark.to_bytes(3, "little"), rest, mark.to_bytes(3, "little")),
            f'"marks":[{mark},{mark}]'.encode(),
        )
        for mark in range(100_000, 100_000 + SHOTS)
    ]


def _whole(server: Server) -> bool:
    try:
        words = control_words(server.process.pid)
        return words[Control.WORKERS_READY] >= words[Control.WORKERS_WANTED] and server.status()["project"] != ""
    except httpx.HTTPError:
        return False


def _misbehave(server: Server, chance: random.Random, over: threading.Event) -> Counter[str]:
    done: Counter[str] = Counter()
    supervisor = server.process.pid
    while not over.wait(FAULT_S):
        what = chance.choices(("worker", "front", "reload", "master"), (30, 2, 2, 1))[0]
        done[what] += 1
        if what == "reload":
            os.kill(supervisor, signal.SIGHUP)
        elif victims := pids(supervisor, what):
            os.kill(chance.choice(victims), signal.SIGKILL)
        until(lambda: over.wait(FAULT_S) or _whole(server))
    return done


def _round(server: Server, shots: list[Shot], chance: random.Random, done: Counter[str]) -> Load:
    over = threading.Event()
    faults = threading.Thread(target=lambda: done.update(_misbehave(server, chance, over)))
    faults.start()
    try:
        return run_cameras(Plan(server.port, CAMERAS, ROUND_S), shots)
    finally:
        over.set()
        faults.join()


@pytest.mark.soak
@pytest.mark.timeout(int(FRAMES / 200) + 300)
def test_no_answer_is_another_frames(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", '[[flow]]\nmodule = "code"\nfile = "code/mark.py"\n', mark=CODE)
    seed = int(os.environ.get("SOAK_SEED", random.randrange(1 << 32)))
    chance, done, loads, shots = random.Random(seed), Counter[str](), list[Load](), _shots()
    with serving(project, "--workers", "3", "--fronts", "2") as server:
        while sum(load.frames for load in loads) < FRAMES:
            until(lambda: _whole(server))
            loads.append(_round(server, shots, chance, done))
    wrong = sum(load.wrong for load in loads)
    lost = sum(load.errors for load in loads) - wrong
    figures = {
        "frames": sum(load.frames for load in loads),
        "wrong": wrong,
        "without_an_answer": lost,
        "faults": dict(done),
        "seed": seed,
        "first_error": next((load.first_error for load in loads if load.first_error), ""),
    }
    broken = [f"I1: {wrong} answers are another frame's"] if wrong else []
    # a front takes the frames that it had with it; nothing else may go unanswered, busy or not
    most = CAMERAS * (done["front"] + done["master"])
    if lost > most:
        broken.append(f"I2: {lost} frames without their answer, {most} can be explained")
    report("identity", figures, broken)
    assert not broken, broken
