"""A decoder with the usual limits, and what is encoded for it: a colourful picture, a rare sampling, random values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workers.gate import ImageLimits
from workers.pixels.encoded import decode_image

LIMITS = ImageLimits()
RANDOM = np.random.default_rng(11)
RARE = ((4, 1), (2, 1), (1, 1))


def decode(file: bytes, limits: ImageLimits = LIMITS) -> NDArray[np.uint8]:
    return decode_image(memoryview(file).toreadonly(), limits)


def colourful(width: int = 96, height: int = 64) -> NDArray[np.uint8]:
    ramp = np.linspace(0, 255, width * height).reshape(height, width)
    return np.dstack([ramp, ramp[::-1], 255 - ramp]).astype(np.uint8)
