"""How exactly the module `measure` places edges and circles, and how long it takes. Prints a table.

    .venv/bin/python -m bench.measure_accuracy

Edges are drawn so that their place is known: each pixel has its share of the bright side, or the edge is blurred as by
a lens, at many angles and places between pixels. Contrast is 120 levels, noise has a sigma of 5.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from workers.context.context import new_context
from workers.context.run import Run
from workers.modules.base import ModuleSurroundings
from workers.modules.measure.module import prepare
from workers.modules.measure.options import MeasureOptions
from workers.modules.project_files import ProjectFiles

_CONTRAST, _NOISE, _DARK = 120.0, 5.0, 60.0
_ANGLES = (0, 0.5, 1, 2, 5, 11, 17, 22, 26.565, 30, 36, 45, 53.13, 60, 90, 200)
_PHASES = 20
_SIZE_PX = 100
_ROUNDS = 15

Image = NDArray[np.uint8]


def measure(drawings: int = 8) -> dict[str, float]:
    """Return the figures: sd and bias in px, times in ms of CPU; `drawings` with other noise are made of each edge."""
    figures: dict[str, float] = {}
    for blur_px in (0.0, 0.7, 1.0):
        errors = _edge_errors(blur_px, drawings)
        means = errors.mean(axis=2)
        figures[f"edge blur {blur_px:g}: sd px"] = float(errors.std(axis=2, ddof=1).mean())
        figures[f"edge blur {blur_px:g}: bias px"] = float(errors.mean())
        figures[f"edge blur {blur_px:g}: worst bias of an angle px"] = _worst(means.mean(axis=1))
        figures[f"edge blur {blur_px:g}: worst bias of a phase px"] = _worst(means.mean(axis=0))
    diameters = _circle_errors(40)
    figures["circle of 120 px: sd of diameter px"] = float(diameters.std(ddof=1))
    figures["circle of 120 px: bias of diameter px"] = float(diameters.mean())
    return {**figures, **_times()}


def _worst(values: NDArray[np.float64]) -> float:
    return float(values[np.abs(values).argmax()])


def _edge_errors(blur_px: float, drawings: int) -> NDArray[np.float64]:
    """Return errors of one edge, (angles, phases, drawings) px."""
    noise = np.random.default_rng(7)
    errors = np.empty((len(_ANGLES), _PHASES, drawings))
    for row, degrees in enumerate(_ANGLES):
        ahead = np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))])
        for column in range(_PHASES):
            middle = _SIZE_PX / 2 + noise.uniform(-0.5, 0.5, 2)
            place = column / _PHASES - 0.5
            share = _share(middle + ahead * place, degrees, blur_px)
            tool = {"kind": "edge", "name": "edge"}
            ends = {"start": (middle - 20 * ahead).tolist(), "end": (middle + 20 * ahead).tolist()}
            module = _module([{**tool, **ends}])
            for number in range(drawings):
                errors[row, column, number] = _value(module, _seen(share, noise), "edge") - 20 - place
    return errors


def _share(point: NDArray[np.float64], degrees: float, blur_px: float) -> NDArray[np.float64]:
    """Return how much of each pixel lies beyond the line through `point`, by 8 x 8 places in each."""
    fine = 8 if blur_px else 16
    places = (np.arange(_SIZE_PX * fine) + 0.5) / fine
    turn = math.radians(degrees)
    beyond = (places[None] - point[0]) * math.cos(turn) + (places[:, None] - point[1]) * math.sin(turn)
    levels = _smooth(beyond / blur_px) if blur_px else np.clip(beyond * fine + 0.5, 0, 1)
    shape = (_SIZE_PX, fine, _SIZE_PX, fine)
    return np.asarray(levels.reshape(shape).mean(axis=(1, 3)))


_STEPS = np.linspace(-6, 6, 4001)
_INTEGRAL = np.array([0.5 * (1 + math.erf(step / math.sqrt(2))) for step in _STEPS])


def _smooth(sigmas: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the integral of a Gaussian, to a millionth."""
    return np.asarray(np.interp(sigmas, _STEPS, _INTEGRAL))


def _circle_errors(drawings: int) -> NDArray[np.float64]:
    """Return errors of the diameter, (drawings,) px."""
    noise = np.random.default_rng(8)
    errors = []
    module = _module([{"kind": "circle", "name": "circle", "centre": [100, 100], "radius_px": 60}])
    for _ in range(drawings):
        (x, y), radius = 100 + noise.uniform(-1, 1, 2), 60 + noise.uniform(-1, 1)
        places = (np.arange(200 * 8) + 0.5) / 8
        away = radius - np.hypot(places[None] - x, places[:, None] - y)
        share = np.clip(away * 8 + 0.5, 0, 1).reshape(200, 8, 200, 8).mean(axis=(1, 3))
        errors.append(_value(module, _seen(share, noise), "circle") - 2 * radius)
    return np.array(errors)


def _seen(share: NDArray[np.float64], noise: np.random.Generator) -> Image:
    levels = _DARK + _CONTRAST * share + noise.normal(0, _NOISE, share.shape)
    seen: Image = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return seen


def _module(tools: Sequence[dict[str, Any]]) -> Callable[[dict[str, Any], Run], bool]:
    folder = Path()
    surroundings = ModuleSurroundings(1, "CODE", ProjectFiles(folder), folder)
    return prepare(MeasureOptions.model_validate({"tools": list(tools)}), surroundings)


def _value(module: Callable[[dict[str, Any], Run], bool], image: Image, name: str) -> float:
    context = _inspected(module, image)
    return float(context["measures"][name]["value"])


def _inspected(module: Callable[[dict[str, Any], Run], bool], image: Image) -> dict[str, Any]:
    context, run = new_context(image, ""), Run.start(2**62)
    run.frame_px = image.shape[0], image.shape[1]
    module(context, run)
    return context


def _part() -> Image:
    """A frame of 1920x1024 with two plates and three holes, BGR."""
    frame = np.full((1024, 1920), 60, np.uint8)
    for left, right in ((300, 900), (960, 1700)):
        cv2.rectangle(frame, (left, 150), (right, 880), 180, -1)
    for x, y in ((600, 400), (1300, 300), (1300, 700)):
        cv2.circle(frame, (x, y), 80, 60, -1)
    noisy = frame + np.random.default_rng(9).normal(0, _NOISE, frame.shape)
    return np.asarray(cv2.cvtColor(np.clip(noisy, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR), np.uint8)


TEN: tuple[dict[str, Any], ...] = (
    {"kind": "width", "name": "gap", "start": [860, 500], "end": [1000, 500]},
    {"kind": "edge", "name": "left", "start": [270, 500], "end": [330, 500]},
    {"kind": "line", "name": "a", "start": [900, 200], "end": [900, 800]},
    {"kind": "line", "name": "b", "start": [960, 200], "end": [960, 800]},
    {"kind": "line", "name": "top", "start": [350, 150], "end": [850, 150]},
    {"kind": "circle", "name": "one", "centre": [600, 400], "radius_px": 80},
    {"kind": "circle", "name": "two", "centre": [1300, 300], "radius_px": 80},
    {"kind": "distance", "name": "sides", "between": ["a", "b"]},
    {"kind": "distance", "name": "holes", "between": ["one", "two"]},
    {"kind": "angle", "name": "square", "between": ["a", "top"]},
)


def _times() -> dict[str, float]:
    """Return the CPU times of single tools and of ten, beside plain OpenCV that samples the same pixels."""
    frame = _part()
    found: dict[str, float] = {}
    for tool in (TEN[0], TEN[1], TEN[2], TEN[5]):
        module = _module([tool])
        found[f"one {tool['kind']}: ms"] = _least_ms(lambda module=module: _inspected(module, frame))  # type: ignore[misc]
    ten = _module(TEN)
    found["ten tools on 1920x1024 BGR: ms"] = _least_ms(lambda: _inspected(ten, frame))
    found["the same samples by plain OpenCV (grey, remap, reduce): ms"] = _least_ms(_plain_opencv(frame))
    return found


def _plain_opencv(frame: Image) -> Callable[[], object]:
    """Return what takes as many samples as the tools that look at pixels: all that a hand-written program would do."""
    maps = []
    for height, width, x, y in ((80, 320, 860, 480), (80, 160, 270, 480), (600, 84, 880, 200), (600, 84, 940, 200)):
        rows, columns = np.mgrid[:height, :width].astype(np.float32)
        maps.append((columns / 2 + x, rows + y))
    maps += [(maps[2][0] - 400, maps[2][1]), (maps[2][0] - 300, maps[2][1]), (maps[2][0] + 300, maps[2][1])]
    boxes = [(slice(int(y.min()), int(y.max()) + 2), slice(int(x.min()), int(x.max()) + 2)) for x, y in maps]
    ready = [(x - box[1].start, y - box[0].start) for (x, y), box in zip(maps, boxes, strict=True)]

    def sample() -> None:
        for (x, y), box in zip(ready, boxes, strict=True):
            grey = cv2.cvtColor(frame[box], cv2.COLOR_BGR2GRAY)
            levels = cv2.remap(np.asarray(grey, np.float32), x, y, cv2.INTER_LINEAR)
            profile = cv2.reduce(levels, 0, cv2.REDUCE_AVG)
            cv2.sepFilter2D(profile, cv2.CV_32F, np.array([[-1.0, 0, 1]]), np.ones((1, 1)))

    return sample


def _least_ms(work: Callable[[], object]) -> float:
    least = math.inf
    for _ in range(_ROUNDS):
        begun = time.process_time_ns()
        work()
        least = min(least, (time.process_time_ns() - begun) / 1e6)
    return least


def main() -> None:
    """Measure and print."""
    cv2.setNumThreads(1)
    table = Table("figure", "value")
    for name, value in measure().items():
        table.add_row(name, f"{value:.2f}" if name.endswith("ms") else f"{value:+.4f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
