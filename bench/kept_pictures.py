"""Cameras' JPEGs at a takt, every tenth NOK and its picture kept, beside the same without a history.

    python -m bench.kept_pictures [--pairs 7] [--seconds 10] [--per-s 100]

Prints a line of JSON: medians of pairs, and how many pictures were kept and lost. None may be lost, and p99 is to be
at most 1.2 times that without a history.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import simplejpeg

from bench.frames import board, marked
from bench.server import measured_server
from service.trial.load import Load, Plan, Shot, run_cameras

_CAMERAS = 4
_NOK_EVERY = 10
_WARM_S = 1.0
_SETTLE_S = 15.0
_TOML = '[project]\nname = "kept"\n\n[[flow]]\nmodule = "code"\nfile = "code/flow.py"\nreadonly = true\n'
_FLOW = 'def main(context):\n    context["result"] = context["data"] != "nok"\n'
_KEPT = ("--record", "async", "--pictures", "nok")


@dataclass(frozen=True, slots=True)
class _Seen:
    load: Load
    kept: int = 0
    lost: int = 0


def main(pairs: int, seconds: float, per_s: float, size_px: tuple[int, int]) -> dict[str, float]:
    """Measure, print it, and return it."""
    image = board(*size_px)
    files = [simplejpeg.encode_jpeg(marked(image, mark), quality=90, colorspace="BGR") for mark in range(_NOK_EVERY)]
    shots = [Shot(f"/analyze_image?data={'nok' if mark == 0 else ''}", (file,)) for mark, file in enumerate(files)]
    without: list[_Seen] = []
    kept: list[_Seen] = []
    for pair in range(pairs):
        for ours in (False, True) if pair % 2 else (True, False):
            (kept if ours else without).append(_run(shots, seconds, per_s, keeps=ours))
    found = {
        "pairs": pairs,
        "frames": sum(one.load.frames for one in kept),
        "errors": sum(one.load.errors for one in (*kept, *without)),
        "kept": sum(one.kept for one in kept),
        "lost": sum(one.lost for one in kept),
        "p50_ms": statistics.median(one.load.p50_ms for one in kept),
        "p99_ms": statistics.median(one.load.p99_ms for one in kept),
        "p99_without_ms": statistics.median(one.load.p99_ms for one in without),
        "p99_ratio": statistics.median(
            ours.load.p99_ms / other.load.p99_ms for ours, other in zip(kept, without, strict=True)
        ),
    }
    print(json.dumps(found))
    return found


def _run(shots: list[Shot], seconds: float, per_s: float, *, keeps: bool) -> _Seen:
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "code").mkdir()
        (project / "framemill.toml").write_text(_TOML)
        (project / "code" / "flow.py").write_text(_FLOW)
        with measured_server(project, *(_KEPT if keeps else ())) as server:
            plan = Plan(server.port, _CAMERAS, seconds, 1000 * _CAMERAS / per_s, warm_s=_WARM_S)
            load = run_cameras(plan, shots)
            history = project / ".framemill" / "history" / "history.sqlite"
            return _Seen(load, *_pictures(history)) if keeps else _Seen(load)


def _pictures(history: Path) -> tuple[int, int]:
    """How many were kept and lost, once that is known of all."""
    give_up_s = time.monotonic() + _SETTLE_S
    while True:
        time.sleep(0.5)
        with closing(sqlite3.connect(history)) as connection:
            (nok,) = connection.execute("SELECT count(*) FROM records WHERE verdict = 'NOK'").fetchone()
            (kept,) = connection.execute("SELECT count(*) FROM pictures WHERE file IS NOT NULL").fetchone()
        if nok == kept or time.monotonic() > give_up_s:
            return kept, nok - kept


def _arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--per-s", type=float, default=100.0)
    parser.add_argument("--size", type=int, nargs=2, default=(1920, 1024), metavar=("WIDTH_PX", "HEIGHT_PX"))
    return parser.parse_args(given)


if __name__ == "__main__":
    _given = _arguments(sys.argv[1:])
    main(_given.pairs, _given.seconds, _given.per_s, tuple(_given.size))
