"""Our own libraries in C, built by hatch_build.py, which the server can also do without."""

from __future__ import annotations

import ctypes
import logging
from pathlib import Path

_log = logging.getLogger(__name__)


def load(file: Path, without: str) -> ctypes.CDLL | None:
    """Return the library in `file`, which lies beside what calls it and is named after it: exchange.c, libexchange.so.

    None where it was not built or, after a warning, cannot be loaded; `without` says what happens then.
    """
    if not file.exists():
        return None
    try:
        return ctypes.CDLL(str(file))
    except OSError as error:
        _log.warning("%s: %s", without, error)
        return None
