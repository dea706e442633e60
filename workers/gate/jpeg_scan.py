"""Where the coded pixels of a JPEG's scan end: a tenth of what Python's search takes on a smooth picture."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import numpy as np

from workers.native import load

_LIBRARY = Path(__file__).with_name("libjpeg_scan.so")
# inside a scan FF 00 is a stuffed byte and FF D0 to FF D7 are restarts; FF FF is fill
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def _load() -> ctypes.CDLL | None:
    """Return the library; None where it was not built or cannot be loaded."""
    library = load(_LIBRARY, "JPEG files are walked by Python")
    if library is not None:
        library.framemill_jpeg_scan_end.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t]
        library.framemill_jpeg_scan_end.restype = ctypes.c_size_t
    return library


_library = _load()


def end_of_scan(data: memoryview, at: int) -> int:
    """Return where the first marker behind `at` begins that ends a scan; `len(data)` where there is none."""
    if _library is None:
        found = _SCAN_END.search(data, at)
        return found.start() if found else len(data)
    end: int = _library.framemill_jpeg_scan_end(np.frombuffer(data, np.uint8).ctypes.data, at, len(data))
    return end
