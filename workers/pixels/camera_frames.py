"""Image files as a camera would have sent them: as they are, as raw BGR, or as the mosaic of its sensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from workers.gate import inspect
from workers.pixels.encoded import decode_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.gate import ImageLimits

Form = Literal["file", "raw", "bayer"]


@dataclass(frozen=True, slots=True)
class CameraFrame:
    """A frame to send; `kind` is for people: JPEG, raw BGR, ..."""

    kind: str
    width_px: int
    height_px: int
    body: bytes


def camera_frame(file: bytes, form: Form, limits: ImageLimits) -> CameraFrame:
    """Make a frame from the content of an image file.

    A file that is sent as it is passes the gate only; whether its pixels are sound, the server says.

    Raises:
        ImageUnsupported, ImageTooLarge, ImageInvalid: see `workers.pixels.encoded.decode_image`.
    """
    if form == "file":
        header = inspect(memoryview(file), limits)
        return CameraFrame(header.format.upper(), header.width, header.height, file)
    image = decode_image(memoryview(file), limits)
    height_px, width_px = image.shape[:2]
    if form == "raw":
        return CameraFrame("raw BGR", width_px, height_px, image.tobytes())
    return CameraFrame("BayerRG8", width_px, height_px, bayer_rg8(image).tobytes())


def bayer_rg8(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what a sensor with the pattern BayerRG8 (PFNC) sees of `image`, (h, w, 3) BGR: (h, w), uint8."""
    mosaic = image[..., 1].copy()
    mosaic[0::2, 0::2] = image[0::2, 0::2, 2]
    mosaic[1::2, 1::2] = image[1::2, 1::2, 0]
    return mosaic
