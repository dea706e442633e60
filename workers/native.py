"""Our own libraries in C, built by hatch_build.py, which the server can also do without."""

from __future__ import annotations

import ctypes
import logging
from pathlib import Path

_log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent


def load(name: str, without: str) -> ctypes.CDLL | None:
    """Return the library of `name`.c; None where it was not built or, after a warning, cannot be loaded.

    `without` says what happens then.
    """
    file = FOLDER / f"lib{name}.so"
    if not file.exists():
        return None
    try:
        return ctypes.CDLL(str(file))
    except OSError as error:
        _log.warning("%s: %s", without, error)
        return None
