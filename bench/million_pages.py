"""How long pages over a million frames take, by a real server: `python -m bench.million_pages`.

The time is that from request to answer on the loopback, the median and the worst of some; what is asked for needs each
way of the search, and half of it matches nothing.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

import httpx

from bench.million import make
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
    "parts?since=2025-11-25T00:00&until=2025-11-25T01:00&verdict=NOK",
    "parts?verdict=NOK&label=dent&camera=camera+1&decided=no&data=x",
    "api/v1/frames?count=50",
)


def main() -> int:
    """Measure, and print a line for each page; returns 1 where one is too slow."""
    slow = 0
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        project = Path(folder) / "line"
        project.mkdir()
        (project / "framemill.toml").write_text('[project]\nname = "line"\n')
        make(state / "history" / "history.sqlite")
        arguments = ("--workers", "1", "--record", "async", "--state-dir", str(state), *_KEEPS_ALL)
        with measured_server(project, *arguments) as server, httpx.Client() as client:
            base = f"http://127.0.0.1:{server.port}"
            newest = client.get(f"{base}/api/v1/frames?verdict=NOK&count=1", timeout=60).json()["frames"][0]["id"]
            for page in (*_PAGES, f"parts/{newest}", f"parts/{newest}?data=nowhere", f"api/v1/frames/{newest}"):
                took_ms = [_took_ms(client, f"{base}/{page}") for _ in range(_TIMES)]
                slow += median(took_ms) > _MOST_MS
                print(f"{page:70} {median(took_ms):7.1f} ms, worst {max(took_ms):7.1f}", flush=True)
    return 1 if slow else 0


def _took_ms(client: httpx.Client, address: str) -> float:
    begun_s = time.perf_counter()
    client.get(address, timeout=60).raise_for_status()
    return (time.perf_counter() - begun_s) * 1000


if __name__ == "__main__":
    raise SystemExit(main())
