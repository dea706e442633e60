"""What an answer costs that waits for its record: `python -m bench.before_answer`, on a machine that does nothing else.

Two servers run at the same time, one without a history and one with `record = "before_answer"`, and are loaded in turn
with camera JPEGs at 100 frames/s, pair after pair; who begins changes. The history is in a file of SQLite in the folder
that this is called in, or, with `--history-url-file`, in a PostgreSQL. Bytes that a record takes are as a commit does.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.frames import SCENARIOS, shots
from bench.server import measured_server
from bench.suites import TRIVIAL
from service.trial.load import Plan, run_cameras

if TYPE_CHECKING:
    from bench.server import Measured
    from service.trial.load import Load

_CAMERAS = 4
_TAKT_MS = 40.0  # of each camera: 100 frames/s of four
_WIDTH_PX, _HEIGHT_PX = 640, 480
_WARM_S = 1.0
_SYNCS = 200
_RECORD_BYTES = 4096


def _load(server: Measured, seconds: float) -> Load:
    with shots(SCENARIOS["JPEG"], _WIDTH_PX, _HEIGHT_PX, _CAMERAS) as made:
        load = run_cameras(Plan(server.port, _CAMERAS, seconds, _TAKT_MS, warm_s=_WARM_S), made)
    if load.errors:
        raise click.ClickException(f"{load.errors} frames had no answer of their own: {load.first_error}")
    return load


def _sync_ms(folder: Path) -> float:
    """Return what the disk takes for the least that a commit is: some bytes more, on the disk."""
    took = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(_SYNCS):
            begun = time.perf_counter()
            file.write(bytes(_RECORD_BYTES))
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - begun)
    return 1e3 * statistics.median(took)


@click.command()
@click.option("--pairs", type=click.IntRange(min=1), default=7, show_default=True)
@click.option("--seconds", type=click.FloatRange(min=0.5), default=10.0, show_default=True, help="of each run")
@click.option("--history-url-file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def main(pairs: int, seconds: float, history_url_file: Path | None) -> None:
    """Measure, and print a line for each pair and the medians."""
    place = ["--history-url-file", str(history_url_file)] if history_url_file else []
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".before_answer-") as name, ExitStack() as until_done:
        folder = Path(name)
        print(f"4 KiB more on this disk: {_sync_ms(folder):.2f} ms")
        servers = {
            mode: until_done.enter_context(
                measured_server(TRIVIAL, "--record", mode, "--state-dir", str(folder / mode), *more)
            )
            for mode, more in (("off", []), ("before_answer", place))
        }
        more_p50, more_p99 = [], []
        for pair in range(pairs):
            order = [*servers] if pair % 2 == 0 else [*servers][::-1]
            found = {mode: _load(servers[mode], seconds) for mode in order}
            off, before = found["off"], found["before_answer"]
            more_p50.append(before.p50_ms - off.p50_ms)
            more_p99.append(before.p99_ms - off.p99_ms)
            print(
                f"pair {pair}: p50 {off.p50_ms:5.2f} and {before.p50_ms:5.2f} ms, p99 {off.p99_ms:6.2f} and "
                f"{before.p99_ms:6.2f} ms, {before.per_s:.0f} frames/s",
                flush=True,
            )
        print(f"medians of {pairs}: p50 {statistics.median(more_p50):.2f} ms more (bound: 6), "
              f"p99 {statistics.median(more_p99):.2f} ms more")  # fmt: skip


if __name__ == "__main__":
    main()
