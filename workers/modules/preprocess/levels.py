"""Steps that change what pixels are and not where. Each takes and returns (h, w) or (h, w, 3) BGR uint8."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from workers.modules.preprocess.options import Blur, Gamma, Grey, Normalise, Sharpen, WhiteBalance

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEVELS = np.arange(256, dtype=np.float64)


def as_pixels(image: Any) -> NDArray[np.uint8]:
    """Say of an image, (h, w) or (h, w, 3) BGR, that OpenCV returned for uint8 that it is that: its types know any."""
    pixels: NDArray[np.uint8] = image
    return pixels


def _grey(image: NDArray[np.uint8], _: Grey) -> NDArray[np.uint8]:
    return image if image.ndim == 2 else as_pixels(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))


def _blur(image: NDArray[np.uint8], step: Blur) -> NDArray[np.uint8]:
    if step.median_px is not None:
        return as_pixels(cv2.medianBlur(image, step.median_px))
    return as_pixels(cv2.GaussianBlur(image, (0, 0), step.sigma_px or 1.0))


def _sharpen(image: NDArray[np.uint8], step: Sharpen) -> NDArray[np.uint8]:
    soft = cv2.GaussianBlur(image, (0, 0), step.sigma_px)
    return as_pixels(cv2.addWeighted(image, 1 + step.amount, soft, -step.amount, 0))


def _normalise(image: NDArray[np.uint8], step: Normalise) -> NDArray[np.uint8]:
    counts = np.cumsum(np.bincount(_grey(image, Grey(do="grey")).reshape(-1), minlength=256))
    cut = counts[-1] * step.cut_percent / 100
    low, high = np.searchsorted(counts, cut, "right"), np.searchsorted(counts, counts[-1] - cut)
    if high <= low:  # one level alone: there is nothing to stretch
        return image
    return _looked_up(image, (_LEVELS - low) * 255 / (high - low))


def _white_balance(image: NDArray[np.uint8], step: WhiteBalance) -> NDArray[np.uint8]:
    if image.ndim == 2:
        return image
    factors = step.bgr
    if factors is None:
        means = np.maximum(image.reshape(-1, 3).mean(axis=0), 1.0)
        factors = tuple(means.mean() / means)
    table = np.stack([_LEVELS * factor for factor in factors], axis=1)
    return _looked_up(image, table)


def _gamma(image: NDArray[np.uint8], step: Gamma) -> NDArray[np.uint8]:
    return _looked_up(image, 255 * (_LEVELS / 255) ** (1 / step.gamma))


def _looked_up(image: NDArray[np.uint8], table: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Put each level through a table, (256,) or (256, 3), which is rounded and cut to 0..255."""
    levels = np.clip(np.rint(table), 0, 255).astype(np.uint8)
    return as_pixels(cv2.LUT(image, levels.reshape(1, 256, *table.shape[1:])))


LEVELS: Mapping[type, Callable[[NDArray[np.uint8], Any], NDArray[np.uint8]]] = {
    Grey: _grey,
    Blur: _blur,
    Sharpen: _sharpen,
    Normalise: _normalise,
    WhiteBalance: _white_balance,
    Gamma: _gamma,
}
