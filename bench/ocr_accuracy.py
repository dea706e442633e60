"""How many printed lines the module `ocr` reads exactly, and how fast. Prints a table; see `--help`.

    .venv/bin/python -m bench.ocr_accuracy

Frames are 1920x1024 grey, noise 4, light that is not even, with one line each: dates, lots, serial numbers, times and
words; there is no O, I or Q in lots, as those who make such codes avoid them. A line is right if all of it is, spaces
aside; boxes are up to 3 degrees beside the lines. Times are CPU ms of one thread for a line in its box.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from bench.ocr_scenes import FONTS, Line, box_of, scene
from workers.context.context import new_context
from workers.context.run import Run
from workers.modules.base import ModuleSurroundings
from workers.modules.ocr.module import prepare
from workers.modules.ocr.options import OcrOptions
from workers.modules.project_files import ProjectFiles

if TYPE_CHECKING:
    from bench.ocr_scenes import Image

_OFF_DEGREES = 3.0
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
_WORDS = ("MADE IN EU", "BEST BEFORE", "BATCH", "Keep dry", "24V 3.5A IP67", "NET 250 g", "Serial", "CHARGE")

KINDS: Mapping[str, Mapping[str, Any]] = {
    "plain": {"degrees": 0.0},
    "any angle": {},
    "16 px high": {"height_px": 16.0},
    "64 px high": {"height_px": 64.0},
    "contrast of 38": {"levels": (140.0, 102.0)},
    "contrast of 20": {"levels": (140.0, 120.0)},
    "inverted": {"inverted": True},
    "blur 2.4": {"blur_px": 2.4},
    "dots that touch": {"dots": 1.0},
    "dots of 0.7": {"dots": 0.7},
    "dots of 0.5": {"dots": 0.5},
}
CLEAN = ("plain", "any angle", "16 px high", "64 px high", "contrast of 38", "inverted")
DOTS = tuple(kind for kind in KINDS if kind.startswith("dots"))


def text_of(random: np.random.Generator) -> str:
    """Return what is printed on something."""

    def digits(count: int) -> str:
        return "".join(str(each) for each in random.integers(0, 10, count))

    def letters(count: int) -> str:
        return "".join(_LETTERS[each] for each in random.integers(0, len(_LETTERS), count))

    year, month, day = (int(random.integers(*each)) for each in ((2026, 2032), (1, 13), (1, 29)))
    forms = (
        f"EXP {year}-{month:02}-{day:02}",
        f"{day:02}.{month:02}.{year}",
        f"LOT {letters(1)}{digits(4)}{letters(1)}",
        f"SN {digits(8)}",
        f"PN {digits(5)}-{digits(2)}/{letters(1)}",
        f"{digits(2)}:{digits(2)} {day:02}/{month:02}/{year % 100:02}",
        f"{letters(3)}-{digits(4)}",
        _WORDS[int(random.integers(0, len(_WORDS)))],
    )
    return forms[int(random.integers(0, len(forms)))]


def drawn(font: str, seed: int, look: Mapping[str, Any]) -> tuple[Image, Line, dict[str, float]]:
    """Return a frame with one line, (h, w), the line, and a box around it that is turned by a little less or more."""
    random = np.random.default_rng(seed)
    x, y, degrees, off = (float(each) for each in random.uniform((800, 500, -180, -1), (1100, 530, 180, 1)))
    text = text_of(random)
    if look.get("dots"):
        text = text.upper()
    line = replace(Line(text, font, x, y, degrees, float(random.uniform(20, 48))), **look)
    box = box_of(line)
    box["angle"] = min(max(box["angle"] + off * _OFF_DEGREES, -180), 180)
    return scene((line,), seed=seed), line, box


@dataclass(frozen=True, slots=True)
class Figures:
    """How many of `lines` were read exactly, CPU ms of each, and what was read wrong."""

    lines: int
    right: int
    ms: list[float]
    wrong: list[str]

    @property
    def share(self) -> float:
        """The share that was read exactly."""
        return self.right / self.lines


def read(kind: str, lines: int = 10, fonts: Iterable[str] = tuple(FONTS)) -> Figures:
    """Return what comes of `lines` of each font."""
    surroundings = ModuleSurroundings(1, "OCR", ProjectFiles(Path()), Path())
    right, ms, wrong = 0, list[float](), list[str]()
    every = ["dots"] * 3 if kind in DOTS else list(fonts)
    for number, font in enumerate(every):
        for seed in range(number * 1000, number * 1000 + lines):
            image, line, box = drawn(font, seed, KINDS[kind])
            options = {"texts": [{"name": "line", "box": box, "lines": 1}], "time_ms": 10_000}
            module = prepare(OcrOptions.model_validate(options), surroundings)
            context, run = new_context(image, ""), Run.start(2**62)
            begun_ns = time.process_time_ns()
            module(context, run)
            ms.append((time.process_time_ns() - begun_ns) / 1e6)
            said = context["ocr"]["ocr"]["line"]
            if said["text"].replace(" ", "") == line.text.replace(" ", ""):
                right += 1
            else:
                wrong.append(f"{line.text} > {said['text']} ({said['confidence']:.2f})")
    return Figures(len(ms), right, ms, wrong)


def measure(lines: int = 10) -> dict[str, float]:
    """Return the shares of lines that were read exactly, and CPU times in ms."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        kinds = {kind: read(kind, lines) for kind in KINDS}
    finally:
        cv2.setNumThreads(threads)
    found: dict[str, float] = {}
    for kind, each in kinds.items():
        key = f"ocr_{kind.replace(' ', '_').replace('.', '_')}"
        found[f"{key}_share"] = each.share
        found[f"{key}_ms"] = median(each.ms)
    for name, group in (("clean", CLEAN), ("dots", DOTS)):
        found[f"ocr_{name}_share"] = sum(kinds[kind].right for kind in group) / sum(kinds[kind].lines for kind in group)
    found["ocr_line_ms"] = max(median(kinds[kind].ms) for kind in CLEAN)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=10, help="lines of each kind and font; default 10")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), help="some of the kinds")
    parser.add_argument("--wrong", action="store_true", help="say what was read wrong")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    table = Table("lines", "of", "exactly right", "percent", "ms, median", "ms, most")
    for kind in given.kinds:
        each = read(kind, given.lines)
        shares = (f"{each.lines}", f"{each.right}", f"{100 * each.share:.1f}")
        table.add_row(kind, *shares, f"{median(each.ms):.0f}", f"{max(each.ms):.0f}")
        if given.wrong:
            print(kind, *each.wrong, sep="\n    ")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
