"""`make bench`: what the server does on this machine, in a few minutes. Prints a table and writes it to results/."""

from __future__ import annotations

import json
import os
import platform
import signal
import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path

import httpx

from bench.load import Load, run_load
from bench.server import Measured, bare_receiver, measured_server

_WIDTH_PX, _HEIGHT_PX = 1920, 1024
_SECONDS = 5.0
_ROUNDS = 5
_CONNECTIONS = 4
_KILLS = 30
_SCENARIOS = {
    "raw BGR": ("", 3),
    "BayerRG8": ("&bayer", 1),
}
_RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "framemill.toml").write_text('[project]\nname = "bench"\n')
        _say(f"machine: {_machine()}")
        results = {
            "machine": _machine(),
            "start": _start(project),
            "load": _loads(project),
            "recovery": _kills(project),
        }
    _RESULTS.mkdir(exist_ok=True)
    file = _RESULTS / f"{datetime.now().astimezone():%Y-%m-%d-%H%M%S}.json"
    file.write_text(json.dumps(results, indent=2) + "\n")
    _say(f"\nwritten to {file}")


def _say(line: str) -> None:
    print(line, flush=True)


def _machine() -> dict[str, str | int]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    return {"processor": model, "cores": len(os.sched_getaffinity(0)), "kernel": platform.release(),
            "python": platform.python_version()}  # fmt: skip


def _start(project: Path) -> dict[str, float]:
    ready, own, frames = [], 0.0, 0.0
    for _ in range(_ROUNDS):
        with measured_server(project, "--workers", "2") as server:
            ready.append(server.ready_s)
            own, frames = server.proportional_mib()
    found = {"ready_s": statistics.median(ready), "own_mib": own, "frame_memory_mib": frames}
    _say(f"\nready after {found['ready_s']:.2f} s (target 2), {own:.0f} MiB proportional beyond the frame memory, "
         f"two workers, idle (target 250); frame memory touched: {frames:.0f} MiB")  # fmt: skip
    return found


def _loads(project: Path) -> dict[str, dict[str, float]]:
    _say(f"\n{_WIDTH_PX}x{_HEIGHT_PX}, {_CONNECTIONS} connections, {_ROUNDS} interleaved rounds of {_SECONDS:g} s, "
         "medians; the sender shares the machine")  # fmt: skip
    rounds: dict[str, list[tuple[Load, float]]] = {}
    with measured_server(project, "--workers", "2") as server, bare_receiver(project) as receiver:
        targets = {"framemill": server} | ({"bare C receiver": receiver} if receiver else {})
        if receiver is None:
            _say("no C compiler: the bare receiver is left out")
        for seconds, counts in ((1.0, False), *((_SECONDS, True) for _ in range(_ROUNDS))):
            for scenario in _SCENARIOS:
                for name, target in targets.items():
                    measured = _measure(target, scenario, seconds)
                    if counts:
                        rounds.setdefault(f"{scenario}, {name}", []).append(measured)
    _say("| scenario | frames/s | server CPU ms/frame | p50 ms | p99 ms | errors |\n|---|---|---|---|---|---|")
    rows = {name: _row(name, measured) for name, measured in rounds.items()}
    for scenario in _SCENARIOS if receiver else ():
        pairs = zip(rounds[f"{scenario}, framemill"], rounds[f"{scenario}, bare C receiver"], strict=True)
        ratio = statistics.median(ours.per_s / bare.per_s for (ours, _), (bare, _) in pairs)
        _say(f"{scenario}: {ratio:.2f} of the bare receiver's frames/s (median of pairs)")
    return rows


def _measure(target: Measured, scenario: str, seconds: float) -> tuple[Load, float]:
    query, channels = _SCENARIOS[scenario]
    path = f"/analyze_raw_image?width={_WIDTH_PX}&height={_HEIGHT_PX}{query}"
    before_s = target.cpu_s()
    load = run_load(target.port, path, _WIDTH_PX * _HEIGHT_PX * channels, _CONNECTIONS, seconds)
    return load, 1e3 * (target.cpu_s() - before_s) / max(load.frames, 1)


def _row(name: str, rounds: list[tuple[Load, float]]) -> dict[str, float]:
    row = {
        "frames_per_s": statistics.median(load.per_s for load, _ in rounds),
        "cpu_ms_per_frame": statistics.median(cpu for _, cpu in rounds),
        "p50_ms": statistics.median(load.p50_ms for load, _ in rounds),
        "p99_ms": statistics.median(load.p99_ms for load, _ in rounds),
        "errors": sum(load.errors for load, _ in rounds),
    }
    _say(f"| {name} | {row['frames_per_s']:.0f} | {row['cpu_ms_per_frame']:.2f} | {row['p50_ms']:.2f} | "
         f"{row['p99_ms']:.2f} | {row['errors']} |")  # fmt: skip
    return row


def _kills(project: Path) -> dict[str, float]:
    times_ms = []
    with measured_server(project, "--workers", "2") as server, httpx.Client() as client:
        url = f"http://127.0.0.1:{server.port}/api/v1/status"
        for _ in range(_KILLS):
            victim = _a_worker(server)
            deaths = client.get(url).json()["workers"]["deaths"]
            begun = time.monotonic()
            os.kill(victim, signal.SIGKILL)
            while True:
                workers = client.get(url).json()["workers"]
                if workers["deaths"] > deaths and workers["ready"] == workers["wanted"]:
                    break
            times_ms.append(1e3 * (time.monotonic() - begun))
    found = {"median_ms": statistics.median(times_ms), "longest_ms": max(times_ms)}
    _say(f"\nfrom SIGKILL of a worker to full capacity, seen over HTTP: median {found['median_ms']:.1f} ms, "
         f"longest of {_KILLS} {found['longest_ms']:.1f} ms (50 is good)")  # fmt: skip
    return found


def _a_worker(server: Measured) -> int:
    """A child of the supervisor that is not the fronts' master."""
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return next(int(c) for c in children if b"service.front" not in Path(f"/proc/{c}/cmdline").read_bytes())


if __name__ == "__main__":
    main()
