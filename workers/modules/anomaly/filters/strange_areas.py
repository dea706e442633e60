"""Areas that look otherwise, drawn into good pictures: a band, a corner or a field that is brighter, duller or rougher.

The drawn defects of workers/training are things on a surface; this is a surface that is not the same everywhere. What
tells it is where it begins: far inside it looks as good as anything.
"""

from __future__ import annotations

from math import cos, pi, sin
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from workers.training.forms import smooth_noise
from workers.training.place import without_grain

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BORDER_PX = 4
_ASKEW = 0.3  # so many lie anyhow, the others along or across


def with_strange_area(
    image: NDArray[np.uint8], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return a picture, (h, w) grey or (h, w, 3) BGR uint8, with an area; its border, (h, w) bool; and all of it."""
    area = _area(image.shape[:2], rng)
    pixels = image.reshape(*image.shape[:2], -1).astype(np.float32)
    even = without_grain(pixels)
    grain = pixels - even
    tint = rng.uniform(0.7, 1.3, 3).astype(np.float32) if pixels.shape[2] == 3 else np.ones(1, np.float32)
    gain = 1 + np.float32(_either_way(rng)) * np.float32(rng.uniform(0.05, 0.35)) * tint
    roughness = np.float32(np.exp(_either_way(rng) * rng.uniform(0.2, 0.9)))
    how = rng.random()
    if how < 0.4:  # brighter or darker
        inside = pixels * gain
    elif how < 0.7:  # rougher or smoother too
        inside = even * gain + grain * roughness
    else:  # another grain: from elsewhere, upside down or turned
        inside = even * gain + _moved(grain, rng) * np.sqrt(roughness)
    soft = cv2.GaussianBlur(area.astype(np.float32), (0, 0), float(rng.choice((0.8, 1.5, 3.0))))[:, :, None]
    drawn = np.clip(np.rint(pixels + soft * (inside - pixels)), 0, 255).astype(np.uint8).reshape(image.shape)
    window = np.ones((2 * _BORDER_PX + 1,) * 2, np.uint8)
    border = cv2.morphologyEx(area.astype(np.uint8), cv2.MORPH_GRADIENT, window) > 0
    return drawn, border, area


def _area(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return where it is, (h, w) bool: less than half of the picture."""
    height, width = shape[0], shape[1]
    angle = rng.uniform(0, pi) if rng.random() < _ASKEW else float(rng.choice((0.0, pi / 2)))
    right = np.arange(width, dtype=np.float32)[None, :] - np.float32(rng.uniform(0.1, 0.9) * width)
    down = np.arange(height, dtype=np.float32)[:, None] - np.float32(rng.uniform(0.1, 0.9) * height)
    wavy = smooth_noise(rng, (height, width), max(4.0, min(height, width) / 5)) * np.float32(rng.choice((0, 3, 8)))
    across = right * np.float32(cos(angle)) + down * np.float32(sin(angle)) + wavy
    along = down * np.float32(cos(angle)) - right * np.float32(sin(angle)) + wavy
    half_px, form = rng.uniform(0.05, 0.3) * min(height, width), rng.random()
    if form < 0.7:
        area = np.abs(across) < half_px
    elif form < 0.8:
        area = across > 0
    else:
        area = (np.abs(across) < half_px) & (np.abs(along) < rng.uniform(0.1, 0.3) * min(height, width))
    return cast("NDArray[np.bool_]", ~area if area.mean() > 0.5 else area)


def _moved(grain: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return grain, (h, w, c), upside down or turned by a right angle."""
    if rng.random() < 0.5:
        return grain[::-1, ::-1]
    height, width = grain.shape[:2]
    turned = cv2.resize(np.ascontiguousarray(np.rot90(grain)), (width, height), interpolation=cv2.INTER_LINEAR)
    return turned.reshape(grain.shape).astype(np.float32, copy=False)


def _either_way(rng: np.random.Generator) -> float:
    return 1.0 if rng.random() < 0.5 else -1.0
