"""How well the `reference` module finds the true defects of real boards. Prints a table; see `--help`.

    .venv/bin/python -m bench.pcb_accuracy ../shared/data/pcb

The folder has NN_reference.png, NN_test.jpg and truth.json. A rectangle counts as right if it overlaps a true one of
its own with an IoU (shared area by joint area) of 0.1 at least, as close with 0.33; each true one counts once, best
overlaps first. Figures are also printed of every other frame: what helps one half only was made for these files.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import cv2
from rich.console import Console
from rich.table import Table

from workers.context.context import new_context
from workers.context.run import Run
from workers.gate import ImageLimits
from workers.modules.base import ModuleSurroundings
from workers.modules.project_files import ProjectFiles
from workers.modules.reference.module import Reference
from workers.modules.reference.options import ReferenceOptions
from workers.pixels.encoded import decode_image

_IOU, _CLOSE_IOU = 0.1, 0.33
_ROUNDS = 5  # the first of them warms caches up

Box = dict[str, Any]
Module = Callable[[dict[str, Any], Run], None]


@dataclass(slots=True)
class Score:
    """What the frames so far came to. `ms` are the CPU times of the module alone, one for each frame and round."""

    frames: int = 0
    found: int = 0
    right: int = 0
    close: int = 0
    true: int = 0
    false_alarms: list[str] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    missed: Counter[str] = field(default_factory=Counter)
    ms: list[float] = field(default_factory=list)

    def add(self, frame: dict[str, Any], context: dict[str, Any]) -> tuple[str, ...]:
        """Count one frame of truth.json and return its row of the table."""
        boxes, defects = context["detectedRectangles"], frame["defects"]
        pairs = matches(boxes, defects)
        self.close += len(matches(boxes, defects, _CLOSE_IOU))
        self.frames += 1
        self.found += len(boxes)
        self.true += len(defects)
        self.right += len(pairs)
        met = {true for _, true in pairs}
        self.missed.update(defect["label"] for index, defect in enumerate(defects) if index not in met)
        if context["result"] != frame["ok"]:
            (self.false_alarms if frame["ok"] else self.passed).append(frame["frame"])
        verdict = "OK" if context["result"] else "NOK"
        numbers = (len(defects), len(boxes), len(pairs))
        return (frame["frame"], "OK" if frame["ok"] else "NOK", verdict, f"{context['score']:.2f}", *map(str, numbers))

    @property
    def precision(self) -> float:
        """The share of rectangles that are right."""
        return self.right / max(self.found, 1)

    @property
    def recall(self) -> float:
        """The share of true defects that were found."""
        return self.right / max(self.true, 1)

    @property
    def close_f1(self) -> float:
        """The harmonic mean of both where only close ones are right."""
        return 2 * self.close / max(self.found + self.true, 1)


def matches(found: list[Box], true: list[Box], least: float = _IOU) -> list[tuple[int, int]]:
    """Pair each found rectangle with one true one at most: indexes of both."""
    overlaps = sorted(
        ((iou(one, other), i, j) for i, one in enumerate(found) for j, other in enumerate(true)), reverse=True
    )
    pairs: list[tuple[int, int]] = []
    for overlap, i, j in overlaps:
        if overlap >= least and all(i != one and j != other for one, other in pairs):
            pairs.append((i, j))
    return pairs


def iou(one: Box, other: Box) -> float:
    """Return the shared area of two rectangles by their joint area."""
    width = min(one["x"] + one["width"], other["x"] + other["width"]) - max(one["x"], other["x"])
    height = min(one["y"] + one["height"], other["y"] + other["height"]) - max(one["y"], other["y"])
    shared = max(width, 0) * max(height, 0)
    joint = one["width"] * one["height"] + other["width"] * other["height"] - shared
    return float(shared / joint)


def measure(folder: Path, module: Module) -> tuple[list[Score], Table]:
    """Run `module` on all frames of `folder`, with the frame's number as `data`.

    The scores are those of all frames, of the even and of the odd ones.
    """
    scores = [Score(), Score(), Score()]
    table = Table("frame", "truth", "verdict", "score", "true", "found", "right")
    run = Run.start(2**62)
    for number, frame in enumerate(json.loads((folder / "truth.json").read_text())):
        encoded = (folder / f"{frame['frame']}_test.jpg").read_bytes()
        image = decode_image(memoryview(encoded), ImageLimits())
        image.flags.writeable = False
        times_ms = []
        for _ in range(_ROUNDS):
            context = new_context(image, frame["frame"])
            begun = time.process_time_ns()
            module(context, run)
            times_ms.append((time.process_time_ns() - begun) / 1e6)
        for score in (scores[0], scores[1 + number % 2]):
            row = score.add(frame, context)
            score.ms += times_ms[1:]
        table.add_row(*row)
    return scores, table


def reference(folder: Path, **options: int) -> Reference:
    """Return a `reference` module on the golden images of `folder`."""
    made = ReferenceOptions(module="reference", image="{data}_reference.png", **options)  # type: ignore[arg-type]
    return Reference(made, ModuleSurroundings(1, "UNSUPERVISED", ProjectFiles(folder), folder / "data"))


def _report(scores: list[Score], table: Table) -> None:
    console = Console()
    console.print(table)
    for name, score in zip(("all frames", "even ones", "odd ones"), scores, strict=True):
        console.print(
            f"{name}: {score.frames}, {score.true} true defects, {score.found} rectangles, {score.right} right"
        )
        console.print(
            f"  precision {score.precision:.3f}, recall {score.recall:.3f}; F at IoU 0.33 {score.close_f1:.3f}"
        )
        console.print(f"  false alarms: {', '.join(score.false_alarms) or 'none'};", end=" ")
        console.print(f"bad frames passed: {', '.join(score.passed) or 'none'}; missed: {dict(score.missed)}")
    every = scores[0].ms
    console.print(
        f"CPU time of the module: least {min(every):.1f}, median {median(every):.1f}, longest {max(every):.1f} ms"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("../shared/data/pcb"))
    for name in ("edge_jitter_px", "shift_px", "contrast_levels", "brightness_percent", "min_area_px"):
        default = ReferenceOptions.model_fields[name].default
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default, help=f"default {default}")
    given = vars(parser.parse_args())
    folder = given.pop("folder")
    cv2.setNumThreads(1)
    _report(*measure(folder, reference(folder, **given)))


if __name__ == "__main__":
    main()
