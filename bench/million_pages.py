"""How long pages over a million frames take, by a real server: `python -m bench.million_pages`.

The million ends now, so that Live and Threshold have it, too; Statistics goes by sums, which have a bench of their own
(`statistics_pages`).

The time is that from request to answer on the loopback, the median and the worst of some; what is asked for needs each
way of the search, and half of it matches nothing.
"""

from __future__ import annotations

import tempfile
import time
from datetime import datetime
from pathlib import Path
from statistics import median

import httpx

from bench.frames import board
from bench.million import FRAMES, STEP_NS, make
from bench.module_examples import write_example
from bench.server import measured_server

_TIMES = 7
_MOST_MS = 150.0
_KEEPS_ALL = ("--history-days", "0", "--history-records", "0")
_PAGES = (
    "parts",
    "parts?verdict=NOK",
    "parts?verdict=NOK&decided=no",
    "parts?verdict=OFF",
    "parts?label=seldom",
    "parts?label=nothing",
    "parts?label=scratch&verdict=OK",
    "parts?camera=nobody",
    "parts?part=the+same",
    "parts?part=nothing",
    "parts?data=nowhere",
    "parts?decided=escape",
    "parts?since={from_}&until={to}&verdict=NOK",
    "parts?verdict=NOK&label=dent&camera=camera+1&decided=no&data=x",
    "api/v1/frames?count=50",
    "",
    "threshold",
    "threshold?hours=720",
    "threshold/line?hours=24&line=0.4",
    "statistics",
    "inputs",
    "log",
)
# of the time that was asked for last the scores are kept for some seconds
_BETWEEN = {"threshold": "threshold?hours=8", "threshold?hours=720": "threshold?hours=8"}


def main() -> int:
    """Measure, and print a line for each page; returns 1 where one is too slow."""
    slow = 0
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        project = write_example("anomaly", Path(folder) / "line", board(320, 240))
        with (project / "framemill.toml").open("a") as toml:
            toml.write("threshold = 0.5\n")
        first_ns = time.time_ns() - FRAMES * STEP_NS
        make(state / "history" / "history.sqlite", first_ns=first_ns)
        an_hour = {"from_": _minute(first_ns + 36_000 * STEP_NS), "to": _minute(first_ns + 72_000 * STEP_NS)}
        arguments = ("--workers", "1", "--record", "async", "--state-dir", str(state), *_KEEPS_ALL)
        with measured_server(project, *arguments) as server, httpx.Client() as client:
            base = f"http://127.0.0.1:{server.port}"
            newest = client.get(f"{base}/api/v1/frames?verdict=NOK&count=1", timeout=60).json()["frames"][0]["id"]
            pages = [page.format_map(an_hour) for page in _PAGES]
            for page in (*pages, f"parts/{newest}", f"parts/{newest}?data=nowhere", f"api/v1/frames/{newest}"):
                took_ms = [_took_ms(client, base, page, _BETWEEN.get(page)) for _ in range(_TIMES)]
                slow += median(took_ms) > _MOST_MS
                print(f"{page:70} {median(took_ms):7.1f} ms, worst {max(took_ms):7.1f}", flush=True)
    return 1 if slow else 0


def _minute(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns // 1_000_000_000):%Y-%m-%dT%H:%M}"  # noqa: DTZ006 - as people type it


def _took_ms(client: httpx.Client, base: str, page: str, between: str | None) -> float:
    if between:
        client.get(f"{base}/{between}", timeout=60).raise_for_status()
    begun_s = time.perf_counter()
    client.get(f"{base}/{page}", timeout=60).raise_for_status()
    return (time.perf_counter() - begun_s) * 1000


if __name__ == "__main__":
    raise SystemExit(main())
