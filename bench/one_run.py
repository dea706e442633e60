"""One run: cameras against one server, with what the kernel and the server say about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import httpx

from bench.limit import run_loops
from bench.measurement import OURS, PLAIN_LOOP, RECEIVER, STAGES, Measurement
from service.trial.load import Plan, Shot, run_cameras

if TYPE_CHECKING:
    from pathlib import Path

    from bench.server import Measured
    from service.trial.load import Load

_WARM_UP_S = 0.5
_STATUS_NAMES = {
    "receive": "receiving",
    "wait": "waiting",
    "decode": "decoding",
    "flow": "flow",
    "encode": "encoding",
    "send": "sending",
}


@dataclass(frozen=True, slots=True)
class Setup:
    """What is measured: the table it belongs to, the frames, and how they come."""

    suite: str
    scenario: str
    round: int = 0
    cameras: int = 4
    workers: int = 2
    width_px: int = 1920
    height_px: int = 1024
    seconds: float = 3.0


def run_against(name: str, server: Measured, setup: Setup, shots: Sequence[Shot]) -> Measurement:
    """Load `server` as `setup` says, after a short warm-up of its connections."""
    if name == RECEIVER:  # it looks at no frame, so its answers have no mark
        shots = [replace(shot, expects=b"") for shot in shots]
    plan = Plan(server.port, setup.cameras, setup.seconds, warm_s=min(_WARM_UP_S, setup.seconds))
    stages_before = _stages_s(server) if name == OURS else {}
    before_s = server.cpu_s()
    load = run_cameras(plan, shots)
    cpu_s = server.cpu_s() - before_s
    stages = {}
    if stages_before:
        after = _stages_s(server)
        stages = {stage: 1e3 * (after[stage] - stages_before[stage]) / max(1, load.all_frames) for stage in STAGES}
    return replace(row_of(name, server, setup, load, cpu_s), stages_ms=stages)


def row_of(name: str, server: Measured, setup: Setup, load: Load, cpu_s: float) -> Measurement:
    """Return what the cameras saw of a server that used `cpu_s` seconds meanwhile, as a row."""
    return Measurement(
        suite=setup.suite, scenario=setup.scenario, server=name, round=setup.round, cameras=setup.cameras,
        workers=setup.workers, width_px=setup.width_px, height_px=setup.height_px, frames=load.frames,
        errors=load.errors, seconds=load.seconds, per_s=load.per_s, cpu_ms=1e3 * cpu_s / max(1, load.all_frames),
        p50_ms=load.p50_ms, p99_ms=load.p99_ms, p999_ms=load.p999_ms, longest_ms=load.longest_ms,
        memory_mib=sum(server.proportional_mib()), starved=load.starved, first_error=load.first_error,
        cameras_cpu_ms=1e3 * load.cpu_s / max(1, load.all_frames),
    )  # fmt: skip


def run_plain_loop(setup: Setup, model: Path | None = None) -> Measurement:
    """Run the same job without a server, with a model if there is one; it has no latency of its own."""
    loop = run_loops(setup.scenario, setup.workers, setup.seconds, setup.width_px, setup.height_px, model=model)
    return Measurement(
        suite=setup.suite, scenario=setup.scenario, server=PLAIN_LOOP, round=setup.round, cameras=setup.cameras,
        workers=setup.workers, width_px=setup.width_px, height_px=setup.height_px, frames=loop.frames, errors=0,
        seconds=setup.seconds, per_s=loop.per_s, cpu_ms=1e3 * loop.cpu_s / max(1, loop.frames), p50_ms=math.nan,
        p99_ms=math.nan, p999_ms=math.nan, longest_ms=math.nan,
    )  # fmt: skip


def _stages_s(server: Measured) -> dict[str, float]:
    answer = httpx.get(f"http://127.0.0.1:{server.port}/api/v1/status").raise_for_status().json()["seconds"]
    return {stage: answer[name] for stage, name in _STATUS_NAMES.items()}
