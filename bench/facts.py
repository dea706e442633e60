"""Single figures: how soon the server is ready, how much memory it needs, how soon it recovers."""

from __future__ import annotations

import os
import signal
import statistics
import time
from pathlib import Path

import httpx

from bench.server import Measured, measured_server
from bench.suites import TRIVIAL

_STARTS = 5


def start() -> dict[str, float]:
    """From the command to the line that says ready, and proportional memory when idle, two workers."""
    ready, own, frames = [], 0.0, 0.0
    for _ in range(_STARTS):
        with measured_server(TRIVIAL, "--workers", "2") as server:
            ready.append(server.ready_s)
            own, frames = server.proportional_mib()
    return {"ready_s": statistics.median(ready), "own_mib": own, "frame_memory_mib": frames}


def recovery(kills: int) -> dict[str, float]:
    """From the SIGKILL of a worker to full capacity, seen over HTTP."""
    times_ms = []
    with measured_server(TRIVIAL, "--workers", "2") as server, httpx.Client() as client:
        url = f"http://127.0.0.1:{server.port}/api/v1/status"
        for _ in range(kills):
            victim = _a_worker(server)
            deaths = client.get(url).json()["workers"]["deaths"]
            begun_s = time.monotonic()
            os.kill(victim, signal.SIGKILL)
            while True:
                workers = client.get(url).json()["workers"]
                if workers["deaths"] > deaths and workers["ready"] == workers["wanted"]:
                    break
            times_ms.append(1e3 * (time.monotonic() - begun_s))
    return {"recovery_median_ms": statistics.median(times_ms), "recovery_longest_ms": max(times_ms)}


def _a_worker(server: Measured) -> int:
    """A child of the supervisor that is not the fronts' master."""
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return next(int(c) for c in children if b"service.front" not in Path(f"/proc/{c}/cmdline").read_bytes())
