"""What a history and five open pages cost: `python -m bench.pages_open`, on a machine that does nothing else.

Two servers run at the same time, one without a history that nobody looks at, and one with `record = "async"` and five
pages of Live open, whose events are read and whose picture is fetched as often as it changes, as browsers do. They are
loaded in turn as fast as answers come, pair after pair; who begins changes. What reads for the pages runs on the same
cores.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import httpx

from bench.frames import SCENARIOS, shots
from bench.server import measured_server
from bench.suites import TRIVIAL
from service.trial.load import Plan, run_cameras

if TYPE_CHECKING:
    from bench.server import Measured
    from service.trial.load import Load

PAGES = 5
_CAMERAS = 4
_WIDTH_PX, _HEIGHT_PX = 1920, 1024
_WARM_S = 1.0
_BOUND = 0.95


def _load(server: Measured, scenario: str, seconds: float) -> Load:
    with shots(SCENARIOS[scenario], _WIDTH_PX, _HEIGHT_PX, _CAMERAS) as made:
        load = run_cameras(Plan(server.port, _CAMERAS, seconds, warm_s=_WARM_S), made)
    if load.errors:
        raise click.ClickException(f"{load.errors} frames had no answer of their own: {load.first_error}")
    return load


def watch(port: int) -> None:
    """Read the events of Live until somebody ends this process; each new picture is fetched."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=None) as client:
        client.get("/").raise_for_status()
        shown = ""
        with client.stream("GET", "/live/events") as events:
            print("open", flush=True)
            for line in events.iter_lines():
                found = line.partition('src="')[2].partition('"')[0].replace("&amp;", "&")
                if found and found != shown:
                    shown = found
                    client.get(f"/{found.lstrip('./')}")


@contextmanager
def _pages_open(port: int) -> Iterator[None]:
    command = [sys.executable, "-m", "bench.pages_open", "--watch", str(port)]
    with ExitStack() as until_done:
        for _ in range(PAGES):
            page = until_done.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            until_done.callback(page.kill)
            assert page.stdout is not None
            if page.stdout.readline() != "open\n":
                raise click.ClickException("a page did not open")
        yield


@click.command()
@click.option("--pairs", type=click.IntRange(min=1), default=7, show_default=True)
@click.option("--seconds", type=click.FloatRange(min=0.5), default=10.0, show_default=True, help="of each run")
@click.option("--watch", "watched", type=int, hidden=True)
def main(pairs: int, seconds: float, watched: int | None) -> None:
    """Measure, and print a line for each pair and the medians."""
    if watched:
        watch(watched)
        return
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".pages-") as name, ExitStack() as until_done:
        folder = Path(name)
        off, on = (
            until_done.enter_context(measured_server(TRIVIAL, "--record", mode, "--state-dir", str(folder / mode)))
            for mode in ("off", "async")
        )
        for scenario in ("raw BGR", "JPEG"):
            ratios = []
            for pair in range(pairs):
                rates = {}
                for server in (off, on) if pair % 2 == 0 else (on, off):
                    with ExitStack() as shown:
                        if server is on:
                            shown.enter_context(_pages_open(on.port))
                        rates[server is on] = _load(server, scenario, seconds).per_s
                ratios.append(rates[True] / rates[False])
                print(f"{scenario}, pair {pair}: {rates[False]:.0f} and {rates[True]:.0f} frames/s", flush=True)
            print(
                f"{scenario}, median of {pairs}: {statistics.median(ratios):.3f} of off (bound: {_BOUND})", flush=True
            )


if __name__ == "__main__":
    main()
