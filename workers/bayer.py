"""Bilinear demosaic of 8-bit Bayer frames: the bits of OpenCV's in a third of the time (bayer.c, ADR 13)."""

from __future__ import annotations

import ctypes
import logging
import platform
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from workers.pixel_format import Layout

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)

_LIBRARY = Path(__file__).with_name("libbayer.so")
_AVX2 = 11  # CV_CPU_AVX2 of OpenCV's cvdef.h, which Python has no name for
_SIZE, _PARITY, _PIXELS = ctypes.c_size_t, ctypes.c_uint, ctypes.c_void_p

# column and line of the first red site
_RED_AT = {
    Layout.BAYER_RG: (0, 0),
    Layout.BAYER_GR: (1, 0),
    Layout.BAYER_GB: (0, 1),
    Layout.BAYER_BG: (1, 1),
}


def _load() -> ctypes.CDLL | None:
    """Return the library; None where it was not built, cannot be loaded, or this processor lacks its vectors."""
    if not _LIBRARY.exists() or (platform.machine() == "x86_64" and not cv2.checkHardwareSupport(_AVX2)):
        return None
    try:
        library = ctypes.CDLL(str(_LIBRARY))
    except OSError as error:
        _log.warning("Bayer frames take OpenCV's slower demosaic: %s", error)
        return None
    library.framemill_bayer_to_bgr.argtypes = [_PIXELS, _SIZE, _SIZE, _PARITY, _PARITY, _PIXELS]
    library.framemill_bayer_to_bgr.restype = None
    return library


_library = _load()


def is_fast() -> bool:
    """Whether `bayer_to_bgr` can be used here: on x86-64 with AVX2 and on aarch64, where the library was built."""
    return _library is not None


def bayer_to_bgr(mosaic: NDArray[np.uint8], layout: Layout, bgr: NDArray[np.uint8]) -> None:
    """Fill `bgr`, (height, width, 3) uint8, from `mosaic`, (height, width) uint8, of one of the four Bayer layouts.

    Both are C-contiguous and at least 3 px high and wide; see `demosaic.raw_to_bgr` for what becomes of edges.
    Only where it `is_fast`.
    """
    height, width = mosaic.shape
    assert _library is not None
    assert bgr.shape == (height, width, 3)
    assert mosaic.flags.c_contiguous
    assert bgr.flags.c_contiguous
    assert min(height, width) >= 3
    _library.framemill_bayer_to_bgr(mosaic.ctypes.data, width, height, *_RED_AT[layout], bgr.ctypes.data)
