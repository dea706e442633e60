"""A raw frame of any pixel format as BGR::

bytes --unpack.py, if over 8 bits--> 8-bit samples --bayer.py: demosaic, or OpenCV: convert--> BGR
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from workers.pixels.bayer import bayer_to_bgr, is_fast
from workers.pixels.pixel_format import Layout, Packing, check_length
from workers.pixels.scratch import Scratch
from workers.pixels.unpack import unpack_to_8bit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.pixels.pixel_format import PixelFormat

# OpenCV's four-letter names are the first two pixels of the first and of the second line, as PFNC's are. Its
# two-letter names start at the second line and column: COLOR_BayerBG2BGR is PFNC's BayerRG (opencv 19629).
TO_BGR = {
    Layout.GREY: cv2.COLOR_GRAY2BGR,
    Layout.BAYER_RG: cv2.COLOR_BayerRGGB2BGR,
    Layout.BAYER_GR: cv2.COLOR_BayerGRBG2BGR,
    Layout.BAYER_GB: cv2.COLOR_BayerGBRG2BGR,
    Layout.BAYER_BG: cv2.COLOR_BayerBGGR2BGR,
    Layout.RGB: cv2.COLOR_RGB2BGR,
    Layout.BGRA: cv2.COLOR_BGRA2BGR,
}


TO_GREY = {
    Layout.BGR: cv2.COLOR_BGR2GRAY,
    Layout.BAYER_RG: cv2.COLOR_BayerRGGB2GRAY,
    Layout.BAYER_GR: cv2.COLOR_BayerGRBG2GRAY,
    Layout.BAYER_GB: cv2.COLOR_BayerGBRG2GRAY,
    Layout.BAYER_BG: cv2.COLOR_BayerBGGR2GRAY,
    Layout.RGB: cv2.COLOR_RGB2GRAY,
    Layout.BGRA: cv2.COLOR_BGRA2GRAY,
}


def raw_to_grey(
    pixels: NDArray[np.uint8], fmt: PixelFormat, width: int, height: int, scratch: Scratch | None
) -> NDArray[np.uint8]:
    """Return a raw frame's brightness (ITU-R BT.601 luma) as (height, width), uint8, contiguous; else as `raw_to_bgr`.

    Mono8 comes back as a view of `pixels`, without a copy.
    """
    samples, memory = _samples(pixels, fmt, width, height, scratch)
    if fmt.layout is Layout.GREY:
        return samples
    grey = memory.array("grey", (height, width))
    cv2.cvtColor(samples, TO_GREY[fmt.layout], dst=grey)
    return grey


def raw_to_bgr(
    pixels: NDArray[np.uint8], fmt: PixelFormat, width: int, height: int, scratch: Scratch | None
) -> NDArray[np.uint8]:
    """Return a raw frame as (height, width, 3), uint8, BGR, contiguous.

    BGR8 comes back as a view of `pixels`, without a copy and read-only if they are. Everything else lies in
    `scratch` and is valid until the next call with the same one; with None it is a new array. Alpha is lost.

    Bayer frames are interpolated bilinearly: a pixel keeps the colour that it measured, the other two come
    from its neighbours. The outermost lines and columns have too few; there OpenCV repeats the next inner ones.

    Args:
        pixels: 1-D, contiguous, exactly one frame; may be read-only and is never written to.
        fmt: what the bytes are.
        width: pixels per line, odd or even.
        height: lines, odd or even.
        scratch: the memory to reuse.

    Raises:
        FrameSizeMismatch: the number of bytes does not fit, or a side of a Bayer frame is under 3 px.
        InvalidParameter: 16-bit words hold more than the format's bits.
    """
    samples, memory = _samples(pixels, fmt, width, height, scratch)
    if fmt.layout is Layout.BGR:
        return samples
    bgr = memory.array("bgr", (height, width, 3))
    if fmt.layout.is_bayer and is_fast():
        bayer_to_bgr(samples, fmt.layout, bgr)
    else:
        cv2.cvtColor(samples, TO_BGR[fmt.layout], dst=bgr)
    return bgr


def _samples(
    pixels: NDArray[np.uint8], fmt: PixelFormat, width: int, height: int, scratch: Scratch | None
) -> tuple[NDArray[np.uint8], Scratch]:
    """Return the frame's 8-bit samples in its own layout: `pixels` themselves where they are such already."""
    check_length(fmt, pixels.size, width, height)
    memory = scratch or Scratch()
    samples = pixels
    if fmt.packing is not Packing.BYTES:
        samples = memory.array("samples", (width * height,))
        unpack_to_8bit(pixels, fmt, samples)
    channels = fmt.layout.channels
    return samples.reshape((height, width) if channels == 1 else (height, width, channels)), memory
