"""How long the page Statistics takes by the server's own count: `python -m bench.statistics_pages`, some minutes.

Over the sums of 90 days of four cameras, forty labels and thirty measured values that are as full as they can be: 35
million parts. The server runs with one worker and one front, and says in its log how long each request took.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import httpx

from bench.factory_days import Size, write_sums
from service.history.places.place import sqlite_in

_PROJECT = Path("deploy/projects/board")
_PERIODS = ("shift", "last_shift", "today", "yesterday", "7d", "30d", "90d")
_SIZE = Size(labels=40, measures=30, cameras=4)


def main() -> None:
    """Print the median and the longest of some requests for each period."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--state-dir", type=Path, help="a state folder with a history; one is made where none is named")
    parser.add_argument("--times", type=int, default=7)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        state_dir = chosen.state_dir or Path(folder)
        if chosen.state_dir is None:
            write_sums(sqlite_in(state_dir), time.time_ns(), 90, _SIZE)
        with _serving(state_dir, Path(folder) / "log") as url, httpx.Client(base_url=url, timeout=60) as client:
            for path in ("/statistics", "/api/v1/statistics"):
                for period in _PERIODS:
                    client.get(path, params={"period": period}).raise_for_status()
                    taken = [_took_ms(client, path, period, Path(folder) / "log") for _ in range(chosen.times)]
                    print(f"{path:20} {period:10} {median(taken):6.1f} ms, at most {max(taken):6.1f} ms")


def _took_ms(client: httpx.Client, path: str, period: str, log: Path) -> float:
    """Ask for it; returns what the log says of that request."""
    request_id = f"bench-{time.monotonic_ns()}"
    client.get(path, params={"period": period}, headers={"X-Request-Id": request_id}).raise_for_status()
    while True:
        for line in reversed(log.read_text().splitlines()):
            if request_id in line and line.startswith("{"):
                return float(json.loads(line)["tookMs"])
        time.sleep(0.01)


@contextmanager
def _serving(state_dir: Path, log: Path) -> Iterator[str]:
    options = ["--port", "0", "--workers", "1", "--fronts", "1", "--record", "async", "--state-dir", str(state_dir)]
    options += ["--log-requests", "all", "--log-format", "json"]
    command = [sys.executable, "-I", "-m", "service.cli", "serve", str(_PROJECT), *options]
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as process:
        try:
            while " at http" not in (said := log.read_text()):
                assert process.poll() is None, said
                time.sleep(0.05)
            yield said.partition(" at ")[2].split()[0]
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
