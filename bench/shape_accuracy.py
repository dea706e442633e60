"""How well the module `shape` finds parts in drawn scenes, how exactly, and how fast. Prints a table; see `--help`.

    .venv/bin/python -m bench.shape_accuracy

Scenes are 1920x1024 grey, noise 5, with 25 grey boxes behind the part and a lamp that is not even. A part counts as
found where its middle is within a pixel. Beside it, what plain OpenCV takes to look for the same part: `matchTemplate`
at full size and one angle, and at all angles at an eighth of the size, which finds it to some pixels.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from bench.shape_scenes import Image, Part, Pen, Place, bracket, scene
from workers.context.context import new_context
from workers.context.run import Run
from workers.modules.base import ModuleSurroundings
from workers.modules.project_files import ProjectFiles
from workers.modules.shape.module import prepare
from workers.modules.shape.options import ShapeOptions

_SIZE = (1024, 1920)
_NEAR_PX = 1.0
_TURN_DEGREES = 8
KINDS: Mapping[str, dict[str, Any]] = {
    "plain": {},
    "light 0.7": {"light": 0.7},
    "a fifth covered": {"covered": 0.2},
    "both": {"light": 0.7, "covered": 0.2},
    "noise 10": {"noise": 10.0},
}


def clip() -> Part:
    """A small part, 26x18 px."""

    def draw(pen: Pen) -> None:
        pen.box(8, 10, 34, 28, 200)
        pen.disc(15, 19, 5, 60)
        pen.box(26, 10, 34, 16, 90)

    return Part(44, 40, draw)


def plate() -> Part:
    """A large part, 560x360 px."""

    def draw(pen: Pen) -> None:
        pen.box(40, 60, 600, 420, 170)
        pen.disc(160, 200, 70, 60)
        pen.box(330, 120, 560, 170, 110)
        pen.polygon([(420, 390), (470, 250), (560, 390)], 40)

    return Part(640, 480, draw)


PARTS: Mapping[str, Callable[[], Part]] = {"bracket": bracket, "clip": clip, "plate": plate}


class Trial:
    """The module taught on one part."""

    def __init__(self, part: Part, **options: Any) -> None:
        self._part = part
        with tempfile.TemporaryDirectory() as folder:
            cv2.imwrite(f"{folder}/part.png", part.picture)
            files = ProjectFiles(Path(folder))
            begun = time.process_time()
            given = ShapeOptions.model_validate({"file": "part.png", **options})
            self._module = prepare(given, ModuleSurroundings(1, "DETECTOR", files, Path(folder)))
            self.teaching_s = time.process_time() - begun
        self._middle = (0.0, 0.0)
        x, y, _ = self._pose(part.picture)[0]
        self._middle = (x - part.width / 2, y - part.height / 2)

    def errors(self, image: Image, place: Place) -> tuple[list[tuple[float, float, float]], float]:
        """Return how far from `place` the part was found, px, px and degrees, or nothing; and the CPU time in ms."""
        found, ms = self._timed(image)
        x, y = place.of(*self._middle)
        errors = [(at_x - x, at_y - y, math.remainder(turn - place.degrees, 360)) for at_x, at_y, turn in found]
        return [each for each in errors if math.hypot(*each[:2]) < _NEAR_PX], ms

    def _timed(self, image: Image) -> tuple[list[tuple[float, float, float]], float]:
        begun = time.process_time_ns()
        found = self._pose(image)
        return found, (time.process_time_ns() - begun) / 1e6

    def _pose(self, image: Image) -> list[tuple[float, float, float]]:
        context = new_context(image, "")
        self._module(context, Run.start(2**62))
        return [
            (each["x"] + each["width"] / 2, each["y"] + each["height"] / 2, each["rotate"])
            for each in context["detectedRectangles"]
        ]


def _place(part: Part, random: np.random.Generator) -> Place:
    reach = math.hypot(part.width, part.height) / 2
    x, y = (float(random.uniform(reach, length - reach)) for length in reversed(_SIZE))
    return Place(x, y, float(random.uniform(-180, 180)))


def _measured(part: Part, trial: Trial, look: Mapping[str, Any], scenes: int) -> dict[str, float]:
    """Return what became of scenes of one kind."""
    errors, times = [], []
    random = np.random.default_rng(7)
    for seed in range(scenes):
        place = _place(part, random)
        found, ms = trial.errors(scene(part, place, size=_SIZE, seed=seed, **look), place)
        errors += found
        times.append(ms)
    spread, most = (np.std(errors, axis=0), np.abs(errors).max(axis=0)) if errors else (np.ones(3), np.ones(3))
    return {
        "scenes": scenes,
        "found": len(errors),
        "sd_px": float(spread[:2].max()),
        "sd_degrees": float(spread[2]),
        "most_px": float(most[:2].max()),
        "ms": median(times),
        "least_ms": min(times),
    }


def _opencv_ms(part: Part) -> dict[str, float]:
    """Return CPU times of OpenCV's template matching for one frame."""
    image = scene(part, Place(900, 500), size=_SIZE)
    template = part.picture
    small, small_template = (
        cv2.resize(each, None, fx=1 / 8, fy=1 / 8, interpolation=cv2.INTER_AREA) for each in (image, template)
    )
    middle = (small_template.shape[1] / 2, small_template.shape[0] / 2)

    def at_one_angle() -> None:
        cv2.matchTemplate(image, template, cv2.TM_CCOEFF_NORMED)

    def small_at_all_angles() -> None:
        for degrees in range(0, 360, _TURN_DEGREES):
            turned = cv2.warpAffine(
                small_template, cv2.getRotationMatrix2D(middle, degrees, 1), small_template.shape[::-1]
            )
            cv2.matchTemplate(small, turned, cv2.TM_CCOEFF_NORMED)

    return {"one_angle_ms": _least_ms(at_one_angle), "small_all_angles_ms": _least_ms(small_at_all_angles)}


def _least_ms(call: Callable[[], None], rounds: int = 5) -> float:
    times = []
    for _ in range(rounds):
        begun = time.process_time_ns()
        call()
        times.append((time.process_time_ns() - begun) / 1e6)
    return min(times)


def measure(scenes: int = 20) -> dict[str, Any]:
    """Return for each part the time of teaching, OpenCV's times, and what became of `scenes` scenes of each kind."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        figures: dict[str, Any] = {}
        for name, draw in PARTS.items():
            part = draw()
            trial = Trial(part)
            kinds = {kind: _measured(part, trial, look, scenes) for kind, look in KINDS.items()}
            figures[name] = {"teaching_s": trial.teaching_s, "opencv": _opencv_ms(part), "kinds": kinds}
        return figures
    finally:
        cv2.setNumThreads(threads)


def _report(figures: dict[str, Any]) -> None:
    console = Console()
    table = Table("part", "scenes", "found", "sd px", "sd degrees", "most px", "ms, median", "ms, least")
    for name, part in figures.items():
        for kind, each in part["kinds"].items():
            numbers = (f"{each[key]:.4f}" for key in ("sd_px", "sd_degrees", "most_px"))
            times = (f"{each[key]:.1f}" for key in ("ms", "least_ms"))
            table.add_row(f"{name}, {kind}", str(each["scenes"]), str(each["found"]), *numbers, *times)
    console.print(table)
    for name, part in figures.items():
        whole, small = (part["opencv"][key] for key in ("one_angle_ms", "small_all_angles_ms"))
        console.print(
            f"{name}: taught in {part['teaching_s']:.2f} s; matchTemplate takes {whole:.0f} ms at one angle,"
            f" {small:.0f} ms at all angles at an eighth of the size"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=20, help="scenes of each kind; default 20")
    _report(measure(parser.parse_args().scenes))


if __name__ == "__main__":
    main()
