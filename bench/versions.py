"""Which versions a measurement was made with."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path

_OURS = (
    "framemill",
    "gunicorn",
    "falcon",
    "numpy",
    "opencv-python-headless",
    "simplejpeg",
    "fpng",
    "pyspng",
    "isal",
    "orjson",
)
_CHECKOUT = Path(__file__).resolve().parents[1]


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
