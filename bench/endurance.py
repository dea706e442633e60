"""What only shows over many frames: memory that grows, and answers that are late on a line that never waits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.frames import SCENARIOS, shots
from bench.measurement import OURS, Measurement
from bench.one_run import Setup, row_of, run_against
from bench.server import measured_server
from bench.suites import TRIVIAL
from bench.witness import watched_machine
from service.trial.load import Plan, run_cameras

_THREE_MS = Path(__file__).parent / "three_ms"
_LINE_CAMERAS = 8
_LINE_WARM_UP_S = 2.0
_LINE_TAKT_MS = 40.0
_MIXED = ("BayerRG8", "shared memory", "raw BGR", "JPEG")


def memory(most_frames: int) -> Iterator[Measurement]:
    """Memory after 2,000 frames and after `most_frames`, of all kinds; `frames` counts those since the start."""
    with measured_server(TRIVIAL, "--workers", "2") as server:
        done = 0
        for target in (2_000, most_frames):
            seconds = 1.0
            while done < target:
                for scenario in _MIXED:
                    setup = Setup("memory", scenario, seconds=seconds)
                    with shots(SCENARIOS[scenario]) as made:
                        row = run_against(OURS, server, setup, made)
                    done += row.frames
                    if done >= target:
                        break
                seconds = 10.0
            yield replace(row, scenario="mixed", frames=done)


def takt(frames: int) -> Iterator[Measurement]:
    """Eight cameras at 25 frames/s, a flow of 3 ms: what is later than a takt, and was the machine itself away then?"""
    setup = Setup("takt", "BayerRG8", cameras=_LINE_CAMERAS, seconds=frames / _LINE_CAMERAS * _LINE_TAKT_MS / 1e3)
    with measured_server(_THREE_MS, "--workers", "2") as server, shots(SCENARIOS[setup.scenario]) as made:
        plan = Plan(server.port, setup.cameras, setup.seconds, _LINE_TAKT_MS, _LINE_TAKT_MS, _LINE_WARM_UP_S)
        before_s = server.cpu_s()
        with watched_machine() as pauses:
            load = run_cameras(plan, made)
        cpu_s = server.cpu_s() - before_s
        excused = sum(
            1
            for due_s, took_ms in load.late
            if any(begun_s < due_s + took_ms / 1e3 and ended_s > due_s for begun_s, ended_s in pauses)
        )
        yield replace(row_of(OURS, server, setup, load, cpu_s), late=len(load.late), paused=excused)
