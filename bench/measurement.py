"""One measured run, and the file that holds those of a whole bench.

Rows are flat and raw: medians, ratios, tables and plots are made from them (tables.py, plots.py), never stored.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

OURS = "framemill"
RECEIVER = "bare C receiver"
PLAIN_LOOP = "plain loop"
SMALLEST = "smallest Python server"
INSPECTION = "inspection_"  # how the names of figures of the suite `inspection` begin
STAGES = ("receive", "wait", "decode", "flow", "encode", "send")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run against one server; times in milliseconds.

    `suite` is the table it belongs to: compare (servers side by side), cameras, small, size, workers (one thing
    varied), pool (against inline), memory (over many frames), takt (open loop). `server` is OURS, RECEIVER,
    PLAIN_LOOP, SMALLEST or the name of a peer. A time that a server cannot have is NaN. `cpu_ms` is user and system
    time of all the server's processes per frame; `memory_mib` their proportional set size; `stages_ms` where a
    frame's time went by the server's own count, by STAGES. `paused` counts, among the `late` ones, frames during
    which an idle process saw the machine pause too. `starved` is how many cameras had fewer than a quarter of the
    frames of an even share. `cameras_cpu_ms` is what the cameras took per frame, on the same cores as the server.
    """

    suite: str
    scenario: str
    server: str
    round: int
    cameras: int
    workers: int
    width_px: int
    height_px: int
    frames: int
    errors: int
    seconds: float
    per_s: float
    cpu_ms: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    longest_ms: float
    memory_mib: float = 0.0
    late: int = 0
    paused: int = 0
    starved: int = 0
    cameras_cpu_ms: float = math.nan
    stages_ms: dict[str, float] = field(default_factory=dict)
    first_error: str = ""


@dataclass(frozen=True, slots=True)
class Results:
    """All of a bench: the machine, the versions measured, single figures (`facts`, units in their names), and rows.

    `picture` is what the frames show; results of before it was noted have none.
    """

    machine: dict[str, str | int]
    made: str
    commit: str
    versions: dict[str, str]
    facts: dict[str, float]
    rows: Sequence[Measurement]
    picture: str = ""

    def write(self, file: Path) -> None:
        """Write as JSON; what has no figure is null."""
        found = asdict(self)
        found["rows"] = [{name: _or_null(value) for name, value in row.items()} for row in found["rows"]]
        file.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n")

    @classmethod
    def read(cls, file: Path) -> Results:
        """Read what `write` wrote."""
        found: dict[str, Any] = json.loads(file.read_text())
        return cls(**{**found, "rows": [Measurement(**_from_null(row)) for row in found["rows"]]})


def _or_null(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value


def _from_null(row: dict[str, Any]) -> dict[str, Any]:
    return {name: math.nan if value is None else value for name, value in row.items()}
