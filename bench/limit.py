"""The second half of the limit: decode, demosaic and flow in a plain loop, in as many processes as there are workers.

    python -m bench.limit SCENARIO SECONDS WIDTH HEIGHT

does it in one process and prints one line of JSON. No server can need less: it would have to receive the frames too.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.frames import SCENARIOS, shots

_PEERS = Path(__file__).parent / "peers"


@dataclass(frozen=True, slots=True)
class Loop:
    """What the processes did together."""

    frames: int
    cpu_s: float
    per_s: float


def run_loops(
    scenario: str, processes: int, seconds: float, width_px: int, height_px: int, *, model: Path | None = None
) -> Loop:
    """Run the plain loop of a scenario in `processes` processes for `seconds`, with a model if there is one."""
    command = [sys.executable, "-m", "bench.limit", scenario, str(seconds), str(width_px), str(height_px)]
    env = {**os.environ, "BENCH_WIDTH_PX": str(width_px), "BENCH_HEIGHT_PX": str(height_px)}
    if model:
        env["BENCH_MODEL"] = str(model)
    running = [
        subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(processes)
    ]
    for process in running:  # they start together, once all have made their frames
        assert process.stdout is not None
        process.stdout.readline()
    found = [json.loads(process.communicate(b"\n")[0]) for process in running]
    return Loop(
        frames=sum(one["frames"] for one in found),
        cpu_s=sum(one["cpu_s"] for one in found),
        per_s=sum(one["frames"] / one["seconds"] for one in found),
    )


def main(scenario: str, seconds: float, width_px: int, height_px: int) -> None:
    """Loop over the frames of a scenario, say what was done."""
    sys.path.insert(0, str(_PEERS))
    job = importlib.import_module("job")
    wanted = SCENARIOS[scenario]
    work = job.inspect if wanted.response == "context" else job.annotate
    with shots(wanted, width_px, height_px) as cameras:
        bodies = [b"".join(shot.body) for shot in cameras]
    work(bodies[0])
    print("ready", flush=True)
    sys.stdin.readline()
    frames = 0
    begun_s, begun_cpu_s = time.monotonic(), time.process_time()
    while (spent_s := time.monotonic() - begun_s) < seconds:
        work(bodies[frames % len(bodies)])
        frames += 1
    print(json.dumps({"frames": frames, "cpu_s": time.process_time() - begun_cpu_s, "seconds": spent_s}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
