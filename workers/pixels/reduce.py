"""Bringing pixels into the form that a flow wants, where the decoder could not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from workers.pixels.frame_form import FrameForm
    from workers.pixels.scratch import Scratch


def in_form(image: NDArray[Any], form: FrameForm, scratch: Scratch) -> NDArray[Any]:
    """Return `image`, (h, w) or (h, w, 3) BGR uint8 or uint16, in `form`: itself where it is, else in `scratch`.

    Grey is ITU-R BT.601 luma, as in OpenCV and in JPEG. A reduced pixel is the mean of those it replaces; the last
    column and line are repeated where a side is no multiple of the divisor, as in a JPEG decoded at a fraction.
    """
    memory: Callable[[str, tuple[int, ...]], NDArray[Any]] = (
        scratch.words if image.dtype == np.uint16 else scratch.array
    )
    if form.grey and image.ndim == 3:
        grey = memory("grey", image.shape[:2])
        cv2.cvtColor(image, cv2.COLOR_BGR2GRAY, dst=grey)
        image = grey
    if form.reduce > 1:
        width_px, height_px = form.size_px(image.shape[1], image.shape[0])
        missing_px = width_px * form.reduce - image.shape[1], height_px * form.reduce - image.shape[0]
        if any(missing_px):
            image = _padded(image, *missing_px)
        reduced = memory("reduced", (height_px, width_px, *image.shape[2:]))
        cv2.resize(image, (width_px, height_px), dst=reduced, interpolation=cv2.INTER_AREA)
        image = reduced
    return image


def _padded(image: NDArray[Any], right_px: int, below_px: int) -> NDArray[Any]:
    return cast("NDArray[Any]", cv2.copyMakeBorder(image, 0, below_px, 0, right_px, cv2.BORDER_REPLICATE))
