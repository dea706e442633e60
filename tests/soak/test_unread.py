"""A thousand clients that ask and never read: good cameras beside them do not notice, and the front stays small."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clients.bystanders import good_cameras
from tests.clients.front_costs import front_bytes
from tests.clients.raw_http import frame_request
from tests.clients.unread import never_reading
from tests.support.faults import until
from tests.support.running import Server, serving, write_project

CLIENTS = 1000
TIME_S = 60.0
BUDGET_BYTES = 256 << 20  # max_held_mib
THREADS_BYTES = 32 << 20  # threads that were needed once stay, with their stacks and what malloc keeps for each

LONG = """
import numpy as np

NOISE = np.random.default_rng(0).integers(0, 256, (600, 600, 3), np.uint8)  # a picture of a megabyte

def main(context):
    if context["data"] == "long":
        context["long"] = "x" * 900_000
    if context["data"] == "picture":
        context["image"] = NOISE
    context["seen"] = {"data": context["data"]}
"""
_WAYS = {
    "ping": b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n",
    "context": frame_request("long"),
    "picture": frame_request("picture").replace(b"&data", b"&response_type=image&data"),
    "last-image": b"GET /last_image?response_type=image HTTP/1.1\r\nHost: a\r\n\r\n",
    "page": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "error": b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n",
}


class _Prober:
    """Asks for /livez ten times a second, each time on a connection of its own."""

    def __init__(self, server: Server) -> None:
        self._port = server.port
        self._enough = threading.Event()
        self.times_s: list[float] = []
        self.failures: list[str] = []

    def _run(self) -> None:
        while not self._enough.wait(0.1):
            begun_s = time.monotonic()
            line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
            try:
                line.request("GET", "/livez")
                if (status := line.getresponse().status) != 200:
                    self.failures.append(f"status {status}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
            finally:
                line.close()
            self.times_s.append(time.monotonic() - begun_s)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._enough.set()
            thread.join()


def _peak(server: Server, within_s: float) -> int:
    """The most that the fronts had meanwhile."""
    peak = 0
    end_s = time.monotonic() + within_s
    while time.monotonic() < end_s:
        peak = max(peak, front_bytes(server))
        time.sleep(0.25)
    return peak


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", _WAYS)
def test_1000_clients_that_never_read_cost_good_frames_nothing(tmp_path: Path, way: str) -> None:
    project = write_project(tmp_path / "p", '[[flow]]\nmodule = "code"\nfile = "code/long.py"\n', long=LONG)
    with serving(project, "--fronts", "1") as server:
        with good_cameras(server) as calm:
            time.sleep(5)
        idle_bytes = front_bytes(server)
        prober = _Prober(server)
        with good_cameras(server) as seen, prober.at_work(), never_reading(server.port, CLIENTS, _WAYS[way]):
            peak_bytes = _peak(server, TIME_S)
        print(
            f"{way}: {len(seen.times_s)} good frames, {len(seen.failures)} failed, p99 {seen.late_s() * 1000:.0f} ms "
            f"(calm {calm.late_s() * 1000:.0f}); livez at most {max(prober.times_s) * 1000:.0f} ms; "
            f"front {idle_bytes >> 20} MiB idle, {peak_bytes >> 20} at most; {server.status()['connections']}"
        )
        assert seen.failures == []
        assert len(seen.times_s) > 0.9 * 50 * TIME_S
        assert prober.failures == []
        assert peak_bytes <= 1.5 * idle_bytes + BUDGET_BYTES
        until(lambda: front_bytes(server) <= 1.5 * idle_bytes + THREADS_BYTES)
        until(lambda: server.status()["slots"]["free_here"] >= server.status()["slots"]["per_front"])
