"""Steps that change what pixels are and not where. Each takes and returns (h, w) or (h, w, 3) BGR, uint8 or uint16.

`white` is the brightest level: 255, or 1,023, 4,095, 65,535 where samples have more than 8 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from workers.errors import ImageUnsupported
from workers.modules.preprocess.options import Blur, Gamma, Grey, Normalise, Sharpen, WhiteBalance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8] | NDArray[np.uint16]

_LARGEST_DEEP_MEDIAN_PX = 5  # OpenCV has no other of 16 bits


def as_pixels(image: Any) -> NDArray[Any]:
    """Say of an image, (h, w) or (h, w, 3) BGR, that OpenCV returned that it is one: its types know of any number."""
    pixels: NDArray[Any] = image
    return pixels


def _grey(image: Pixels, _: Grey, __: int) -> Pixels:
    return image if image.ndim == 2 else as_pixels(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))


def _blur(image: Pixels, step: Blur, _: int) -> Pixels:
    if step.median_px is not None:
        if image.dtype == np.uint16 and step.median_px > _LARGEST_DEEP_MEDIAN_PX:
            most = f"for samples of more than 8 bits it is {_LARGEST_DEEP_MEDIAN_PX} at most"
            msg = f"median_px is {step.median_px}; {most}"
            raise ImageUnsupported(msg)
        return as_pixels(cv2.medianBlur(image, step.median_px))
    return as_pixels(cv2.GaussianBlur(image, (0, 0), step.sigma_px or 1.0))


def _sharpen(image: Pixels, step: Sharpen, white: int) -> Pixels:
    soft = cv2.GaussianBlur(image, (0, 0), step.sigma_px)
    sharp = as_pixels(cv2.addWeighted(image, 1 + step.amount, soft, -step.amount, 0))
    return sharp if image.dtype == np.uint8 else np.minimum(sharp, white, out=sharp)


def _normalise(image: Pixels, step: Normalise, white: int) -> Pixels:
    counts = np.cumsum(np.bincount(_grey(image, Grey(do="grey"), white).reshape(-1), minlength=white + 1))
    cut = counts[-1] * step.cut_percent / 100
    low, high = np.searchsorted(counts, cut, "right"), np.searchsorted(counts, counts[-1] - cut)
    if high <= low:  # one level alone: there is nothing to stretch
        return image
    return _looked_up(image, (_levels(image) - low) * white / (high - low), white)


def _white_balance(image: Pixels, step: WhiteBalance, white: int) -> Pixels:
    if image.ndim == 2:
        return image
    factors = step.bgr
    if factors is None:
        means = np.maximum(image.reshape(-1, 3).mean(axis=0), 1.0)
        factors = tuple(means.mean() / means)
    table = np.stack([_levels(image) * factor for factor in factors], axis=1)
    return _looked_up(image, table, white)


def _gamma(image: Pixels, step: Gamma, white: int) -> Pixels:
    return _looked_up(image, white * (np.minimum(_levels(image) / white, 1.0)) ** (1 / step.gamma), white)


def _levels(image: Pixels) -> NDArray[np.float64]:
    return np.arange(256 if image.dtype == np.uint8 else 65_536, dtype=np.float64)


def _looked_up(image: Pixels, table: NDArray[np.float64], white: int) -> Pixels:
    """Put each level through a table, (levels,) or (levels, 3), which is rounded and cut to 0..white."""
    levels: NDArray[Any] = np.clip(np.rint(table), 0, white).astype(image.dtype)
    return as_pixels(cv2.LUT(image, levels.reshape(1, len(table), *table.shape[1:])))


LEVELS: Mapping[type, Callable[[Any, Any, int], Any]] = {
    Grey: _grey,
    Blur: _blur,
    Sharpen: _sharpen,
    Normalise: _normalise,
    WhiteBalance: _white_balance,
    Gamma: _gamma,
}
