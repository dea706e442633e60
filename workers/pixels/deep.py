"""Frames of 10 to 16 bits as they are, in uint16, for a flow that asks for them (`[frame] depth = 16`).

A sample keeps its value: white is 1,023 in a frame of 10 bits, 4,095 in one of 12. Pictures for people have 8 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
import pyspng

from workers.pixels.pixel_format import Layout, Packing, check_length
from workers.pixels.raw import TO_BGR, TO_GREY
from workers.pixels.unpack import unpack_to_16bit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.pixels.frame_form import FrameForm
    from workers.pixels.pixel_format import PixelFormat
    from workers.pixels.scratch import Scratch

_PNG_DEPTH_AT = 24  # bytes: of the field in IHDR, which comes first


def wants_deep(form: FrameForm, fmt: PixelFormat) -> bool:
    """Whether a raw frame of this format comes as uint16."""
    return form.depth == 16 and fmt.packing is not Packing.BYTES


def raw_deep(
    pixels: NDArray[np.uint8], fmt: PixelFormat, size_px: tuple[int, int], scratch: Scratch, *, grey: bool
) -> NDArray[np.uint16]:
    """Return a raw frame of more than 8 bits as (height, width, 3) BGR, or (height, width) if `grey`, in `scratch`.

    `pixels` is 1-D, uint8, exactly one frame of `size_px`, width and height. Errors are those of
    `workers.pixels.raw.raw_to_bgr`.
    """
    width, height = size_px
    check_length(fmt, pixels.size, width, height)
    samples = scratch.words("deep samples", (height, width))
    unpack_to_16bit(pixels, fmt, samples.reshape(-1))
    if grey and fmt.layout is Layout.GREY:
        return samples
    shape, codes = ((height, width), TO_GREY) if grey else ((height, width, 3), TO_BGR)
    image = scratch.words("deep", shape)
    cv2.cvtColor(samples, codes[fmt.layout], dst=image)
    return image


def is_deep_png(data: memoryview) -> bool:
    """Whether a PNG that has passed the gate has samples of 16 bits."""
    return data[_PNG_DEPTH_AT] == 16


def deep_png(stored: bytes) -> NDArray[np.uint16]:
    """Decode a PNG of 16 bits to (h, w, 3) BGR; alpha is dropped. Raises RuntimeError with what libspng says."""
    pixels = pyspng.load(stored)  # grey or RGB, and alpha
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        return cast("NDArray[np.uint16]", cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGR))
    grey = pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., 0])
    return cast("NDArray[np.uint16]", cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))
