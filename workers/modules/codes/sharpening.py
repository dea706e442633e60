"""What is blurred made sharper: Wiener's filter against a Gaussian, and bars averaged along themselves before it.

The filter divides each frequency by what the blur has left of it, as far as that is more than noise.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]

FINER = 2
BARS_ROWS = 24
_BARS_FINER = 4
_RESTORING_STEPS = 40
_BEYOND = 0.05  # by how much a bar may be darker or lighter than the rest, of what they differ by
_EDGE_PX = 16  # what is continued beyond the border, so that it does not ring


def sharpened(grey: Grey, sigma_px: float, noise: float) -> Grey:
    """Return `grey`, (h, w), without a blur of `sigma_px`, twice as large; `noise` is its power beside the signal's."""
    padded = np.pad(grey, _EDGE_PX, mode="edge")
    height, width = (cv2.getOptimalDFTSize(side) for side in padded.shape)
    spectrum = np.fft.rfft2(padded.astype(np.float32), (height, width))
    spectrum *= _wiener(height, width, sigma_px, noise)
    finer = np.zeros((height * FINER, width * FINER // 2 + 1), np.complex64)
    rows, columns = height // 2, spectrum.shape[1]
    finer[:rows, :columns] = spectrum[:rows]
    finer[-rows:, :columns] = spectrum[-rows:]
    wide = np.fft.irfft2(finer, (height * FINER, width * FINER))
    edge = _EDGE_PX * FINER
    inner = wide[edge : edge + grey.shape[0] * FINER, edge : edge + grey.shape[1] * FINER]
    return _stretched(inner)


def bars_sharpened(grey: Grey, sigma_px: float, noise: float) -> Grey:
    """Return bars, upright in `grey`, (h, w), as their mean row without a blur of `sigma_px`, (24, 4 w)."""
    profile = _profile(grey)
    length = cv2.getOptimalDFTSize(len(profile))
    spectrum = np.fft.rfft(profile, length) * _wiener(1, length, sigma_px, noise)[0]
    fine = np.fft.irfft(spectrum, length * _BARS_FINER)
    return _as_bars(fine, grey.shape[1])


def bars_restored(grey: Grey, sigma_px: float) -> Grey:
    """Return the same, (24, 4 w), as bars between dark and light of which a blur of `sigma_px` makes `grey`, (h, w).

    That is found step by step, each towards what the blurred bars differ by, and back between dark and light.
    """
    given = cv2.resize(_profile(grey)[None], None, fx=_BARS_FINER, fy=1, interpolation=cv2.INTER_CUBIC)
    dark, light = np.percentile(given, (1, 99))
    given = np.asarray((given - dark) / max(float(light - dark), 1e-6), np.float32)
    reach = round(4 * sigma_px * _BARS_FINER)
    kernel = np.asarray(cv2.getGaussianKernel(2 * reach + 1, sigma_px * _BARS_FINER).T, np.float32)
    found = ahead = np.asarray(given, np.float32)
    pace = 1.0
    for _ in range(_RESTORING_STEPS):
        beside = given - _blurred(ahead, kernel)
        following = np.asarray(np.clip(ahead + _blurred(beside, kernel), -_BEYOND, 1 + _BEYOND), np.float32)
        next_pace = (1 + math.sqrt(1 + 4 * pace**2)) / 2
        ahead = np.asarray(following + (pace - 1) / next_pace * (following - found), np.float32)
        found, pace = following, next_pace
    return _as_bars(found[0], grey.shape[1])


def _profile(grey: Grey) -> NDArray[np.float32]:
    """Return the mean row of `grey`, (h, w), continued beyond its ends, 1-D."""
    return np.pad(grey.mean(axis=0, dtype=np.float32), _EDGE_PX, mode="edge")


def _blurred(row: NDArray[np.float32], kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `row`, (1, w), as `kernel`, (1, k), blurs it."""
    return np.asarray(cv2.filter2D(row, cv2.CV_32F, kernel, borderType=cv2.BORDER_REPLICATE), np.float32)


def _as_bars(fine: NDArray[np.floating], width: int) -> Grey:
    """Return the part of a finer profile, 1-D, that shows `width` px, as bars, (24, 4 w)."""
    edge = _EDGE_PX * _BARS_FINER
    return np.repeat(_stretched(fine[None, edge : edge + width * _BARS_FINER]), BARS_ROWS, axis=0)


@lru_cache(maxsize=64)
def _wiener(height: int, width: int, sigma_px: float, noise: float) -> NDArray[np.float32]:
    """Return the filter over the frequencies of a real transform, (height, width // 2 + 1)."""
    down, across = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    left = np.exp(-2 * (np.pi * sigma_px) ** 2 * (down**2 + across**2))
    return np.asarray(left / (left**2 + noise), np.float32)


def _stretched(values: NDArray[np.floating]) -> Grey:
    """Return `values`, (h, w), from dark to light over all levels."""
    dark, light = np.percentile(values, (2, 98))
    return np.asarray(np.clip((values - dark) * (255 / max(light - dark, 1e-6)), 0, 255), np.uint8)
