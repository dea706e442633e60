"""How many codes the module `codes` reads in drawn frames, and how fast. Prints a table; see `--help`.

    .venv/bin/python -m bench.codes_accuracy

Frames are 1920x1024 grey, noise 4, with 25 boxes and some print around the code, under light that is not even. Modules
have 3, 4 or 5 px. Times are CPU ms of one thread. Beside them, what zxing-cpp reads by itself of the same frames.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import median
from typing import Any

import cv2
import numpy as np
import zxingcpp
from rich.console import Console
from rich.table import Table

from bench.codes_scenes import Code, Image, Look, scene
from workers.context.context import new_context
from workers.context.run import Run
from workers.modules.codes.module import Codes
from workers.modules.codes.options import CodesOptions

_TIME_MS = 1000  # so that a machine that others use too reads as many

TEXTS: Mapping[str, tuple[str, str]] = {
    "data_matrix": ("DataMatrix", "LOT4711-0815X"),
    "qr": ("QRCode", "SN:2026-11-27/000481"),
    "code128": ("Code128", "PN-88421-77"),
    "ean13": ("EAN13", "4006381333931"),
    "pdf417": ("PDF417", "LINE3 BATCH 0042"),
    "aztec": ("Aztec", "TICKET 99"),
    "code39": ("Code39", "ABC-1234"),
    "itf": ("ITF", "12345678"),
}
KINDS: Mapping[str, Mapping[str, Any]] = {
    "plain": {"degrees": 0.0},
    "any angle": {},
    "inverted": {"inverted": True},
    "perspective": {"tilt": 0.12},
    "contrast of 38": {"levels": (140.0, 102.0)},
    "contrast of 20": {"levels": (140.0, 120.0)},
    "blur 1.6": {"blur_px": 1.6},
    "blur 2.4": {"blur_px": 2.4},
}


def drawn(name: str, seed: int, **look: Any) -> Image:
    """Return a frame with one code of the format `name`, (h, w), at a place, angle and size that `seed` makes."""
    random = np.random.default_rng(seed)
    kind, text = TEXTS[name]
    x, y, degrees = (float(each) for each in random.uniform((500, 350, -180), (1400, 680, 180)))
    code = Code(kind, text, x, y, degrees)
    return scene((replace(code, module_px=3.0 + seed % 3, **look),), Look(seed=seed))


def read(name: str, frames: int = 10) -> dict[str, dict[str, float]]:
    """Return for each kind of frame how many of `frames` were read, by the module and by zxing-cpp, and their times."""
    module = Codes(CodesOptions.model_validate({"formats": [name], "time_ms": _TIME_MS}))
    zxing_format = getattr(zxingcpp.BarcodeFormat, TEXTS[name][0])
    figures = {}
    for kind, look in KINDS.items():
        images = [drawn(name, seed, **look) for seed in range(frames)]
        ours = [_timed(lambda image=image: _texts(module, image)) for image in images]  # type: ignore[misc]
        plain = [_timed(lambda image=image: _plain(image, zxing_format)) for image in images]  # type: ignore[misc]
        figures[kind] = {
            "read": sum(TEXTS[name][1] in texts for texts, _ in ours),
            "false": sum(bool(set(texts) - {TEXTS[name][1]}) for texts, _ in ours),
            "plain_read": sum(TEXTS[name][1] in texts for texts, _ in plain),
            "ms": median(ms for _, ms in ours),
            "most_ms": max(ms for _, ms in ours),
            "plain_ms": median(ms for _, ms in plain),
        }
    return figures


def _texts(module: Codes, image: Image) -> list[str]:
    context = new_context(image, "")
    module(context, Run.start(2**62))
    return [each["text"] for each in context["codes"]["codes"]["found"]]


def _plain(image: Image, zxing_format: zxingcpp.BarcodeFormat) -> list[str]:
    return [each.text for each in zxingcpp.read_barcodes(image, formats=zxingcpp.BarcodeFormats(zxing_format))]


def _timed(work: Callable[[], list[str]]) -> tuple[list[str], float]:
    begun_ns = time.process_time_ns()
    texts = work()
    return texts, (time.process_time_ns() - begun_ns) / 1e6


def measure(frames: int = 10) -> dict[str, float]:
    """Return how many of `frames` were read of each format and kind, and the CPU times in ms."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        found: dict[str, float] = {}
        for name in TEXTS:
            for kind, figures in read(name, frames).items():
                key = f"codes_{name}_{kind.replace(' ', '_')}"
                found[f"{key}_read_of_{frames}"] = figures["read"]
                found[f"{key}_ms"] = figures["ms"]
        for kind in KINDS:
            key = kind.replace(" ", "_")
            found[f"codes_least_{key}_read_of_{frames}"] = min(
                found[f"codes_{name}_{key}_read_of_{frames}"] for name in TEXTS
            )
        found["codes_at_once_ms"] = max(found[f"codes_{name}_any_angle_ms"] for name in TEXTS)
        return found
    finally:
        cv2.setNumThreads(threads)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=10, help="frames of each kind; default 10")
    frames = parser.parse_args().frames
    cv2.setNumThreads(1)
    table = Table("format", "frames", "read", "false", "ms, median", "ms, most", "zxing-cpp alone", "its ms")
    for name in TEXTS:
        for kind, each in read(name, frames).items():
            counts = (f"{each[key]:.0f}" for key in ("read", "false"))
            times = (f"{each[key]:.1f}" for key in ("ms", "most_ms"))
            table.add_row(name, kind, *counts, *times, f"{each['plain_read']:.0f}", f"{each['plain_ms']:.1f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
