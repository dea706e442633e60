"""Bilinear demosaic of 8-bit Bayer frames: the bits of OpenCV's in a third of the time (bayer.c, ADR 13)."""

from __future__ import annotations

import ctypes
import platform
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from workers.native import load
from workers.pixels.pixel_format import MIN_BAYER_SIDE_PX, Layout

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
    if platform.machine() == "x86_64" and not cv2.checkHardwareSupport(_AVX2):
        return None
    library = load(_LIBRARY, "Bayer frames take OpenCV's slower demosaic")
    if library is None:
        return None
    library.framemill_bayer_to_bgr.argtypes = [_PIXELS, _SIZE, _SIZE, _PARITY, _PARITY, _PIXELS]
    library.framemill_bayer_to_bgr.restype = None
    return library


_library = _load()


def is_fast() -> bool:
    """Whether `bayer_to_bgr` can be used here: on x86-64 with AVX2 and on aarch64, where the library was built."""
    return _library is not None


def bayer_to_bgr(mosaic: NDArray[np.uint8], layout: Layout, bgr: NDArray[np.uint8]) -> None:
    """Fill `bgr`, (height, width, 3) BGR uint8, from `mosaic`, (height, width) uint8, of one of the four Bayer layouts.

    See `raw.raw_to_bgr` for what becomes of edges. Only where it `is_fast`.

    Raises:
        ValueError: one of them is not C-contiguous, of another shape, or less than 3 px high or wide.
    """
    height, width = mosaic.shape
    contiguous = mosaic.flags.c_contiguous and bgr.flags.c_contiguous
    # C knows no bounds: what is not as it says would be read and written beside its memory
    if not contiguous or bgr.shape != (height, width, 3) or min(height, width) < MIN_BAYER_SIDE_PX:
        msg = f"{mosaic.shape} and {bgr.shape} are no mosaic and its BGR, or not contiguous"
        raise ValueError(msg)
    assert _library is not None
    _library.framemill_bayer_to_bgr(mosaic.ctypes.data, width, height, *_RED_AT[layout], bgr.ctypes.data)
