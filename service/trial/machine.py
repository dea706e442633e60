"""What a measurement was made on."""

from __future__ import annotations

import platform
from pathlib import Path

from workers.machine import cores, memory_mib


def machine() -> dict[str, str | int]:
    """Return the facts of this machine; results of two machines are compared only where all of them are the same."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": cores(),
        "memory_gib": round(memory_mib() / 1024),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }
