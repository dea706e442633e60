"""`framemill run` beside as many plain loops: the same pictures through the same flow, from start to end.

    python -m bench.tryout [PROJECT FOLDER] [--frames 2000] [--rounds 3]

A plain loop is what somebody would write who has a script and no server: `cv2.imread`, then the project's flow, one
picture after another; as many of them run at once as `framemill run` has processes, and share the pictures. Both sides
are whole programs: Python, libraries and project are loaded in their time. The two take turns, and ratios are made
within a round. The goal is 0.9.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from workers.isolated import ONE_THREAD
from workers.machine import cores

_BOARD = Path(__file__).parents[1] / "deploy" / "projects" / "board"
_GOAL = 0.9
_LOOP = "loop"
_SOME_BAD = 6  # exit status of `framemill run` where a part is NOK


def main(project: Path, folder: Path, frames: int, rounds: int) -> None:
    """Measure, and print a line for each round and the median of the ratios."""
    processes = cores()
    ratios = []
    with _many(folder, frames) as pictures:
        for number in range(rounds):
            sides = {"run": lambda: _run(project, pictures), "loops": lambda: _loops(project, pictures, processes)}
            seconds = {side: sides[side]() for side in (sides if number % 2 == 0 else reversed(sides))}
            ratios.append(seconds["loops"] / seconds["run"])
            rates = ", ".join(f"{side} {frames / seconds[side]:.1f} frames/s" for side in sides)
            print(f"round {number + 1}, {processes} processes: {rates}, ratio {ratios[-1]:.3f}", flush=True)
    median = statistics.median(ratios)
    print(f"median {median:.3f} (from {min(ratios):.3f} to {max(ratios):.3f}), the goal is {_GOAL}")


@contextmanager
def _many(folder: Path, frames: int) -> Iterator[Path]:
    """Yield a folder of so many pictures: links to those in `folder`."""
    found = sorted(path.resolve() for path in folder.iterdir() if path.suffix.lower() in {".jpg", ".png"})
    with tempfile.TemporaryDirectory(prefix="framemill-bench-") as made:
        for number in range(frames):
            path = found[number % len(found)]
            (Path(made) / f"{number:06}{path.suffix}").symlink_to(path)
        yield Path(made)


def _run(project: Path, pictures: Path) -> float:
    """Return how long the command took, in seconds."""
    command = [sys.executable, "-I", "-m", "service.cli", "run", str(project), str(pictures)]
    begun_s = time.monotonic()
    done = subprocess.run(command, capture_output=True, check=False)
    took_s = time.monotonic() - begun_s
    assert done.returncode in {0, _SOME_BAD}, done.stderr.decode()
    return took_s


def _loops(project: Path, pictures: Path, processes: int) -> float:
    """Return how long the loops took together, in seconds."""
    begun_s = time.monotonic()
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.tryout", _LOOP, str(project), str(pictures), str(first), str(processes)],
            env={**os.environ, **ONE_THREAD},
        )
        for first in range(processes)
    ]
    assert [process.wait() for process in running] == [0] * processes
    return time.monotonic() - begun_s


def plain_loop(project: Path, pictures: Path, first: int, step: int) -> None:
    """Be one of the loops: every `step`-th picture, from the `first` on."""
    import cv2  # noqa: PLC0415 - the process that measures needs none
    import numpy as np  # noqa: PLC0415

    from workers.flow.flow import Flow  # noqa: PLC0415
    from workers.flow.project import load_project  # noqa: PLC0415

    cv2.setNumThreads(1)
    flow = Flow.prepare(load_project(project))
    for path in sorted(pictures.iterdir())[first::step]:
        image = cv2.imread(str(path))
        assert image is not None
        flow.run(image.astype(np.uint8, copy=False), data="", deadline_ns=time.monotonic_ns() + 60 * 10**9)


def _arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.tryout", description="framemill run beside plain loops")
    parser.add_argument("project", nargs="?", type=Path, default=_BOARD)
    parser.add_argument("folder", nargs="?", type=Path, default=_BOARD / "samples")
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args(given)


if __name__ == "__main__":
    if sys.argv[1:2] == [_LOOP]:
        plain_loop(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
    else:
        asked = _arguments(sys.argv[1:])
        main(asked.project, asked.folder, asked.frames, asked.rounds)
