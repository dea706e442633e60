"""What a measurement was made on, with which versions."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

_OURS = ("framemill", "gunicorn", "falcon", "numpy", "opencv-python-headless", "simplejpeg", "fpng", "orjson")
_CHECKOUT = Path(__file__).resolve().parents[1]


def machine() -> dict[str, str | int]:
    """Return the facts of this machine; results of two machines are compared only where all of them are the same."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory_kib = int(Path("/proc/meminfo").read_text().split()[1])
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory_kib / (1 << 20)),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Return what the server under test consists of."""
    return {name: version(name) for name in _OURS}


def commit() -> str:
    """Return the checkout's commit, marked where files differ from it; empty outside a repository."""
    command = ["git", "-C", str(_CHECKOUT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
