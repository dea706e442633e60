"""Edges in profiles, to a small part of a pixel.

They are looked for in the profile's first derivative, smoothed by a Gaussian, and then placed by a weighted mean of the
differences between neighbouring samples around them:

    sum of difference(x) * K(x - edge) = 0,    K(u) = u * (1 + u**2 / 2 s**2) * exp(-u**2 / 2 s**2)

Near zero K is a straight line, without a cubic part: the weighted mean is the plain one there. The plain mean of the
differences is the place of an edge of which each pixel has its share exactly, wherever it lies between pixels. The top
of a smoothed derivative is not: an edge without any blur, at a quarter of a pixel, is placed 0.02 px beside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.modules.measure.profiles import STEP_PX, Profiles

if TYPE_CHECKING:
    from workers.modules.measure.tool_options import Polarity, Which

_REACH = 4.0  # sigmas of the Gaussian beyond which nothing counts
_FARTHEST_PX = 2.0  # by which the second step may move what the first has found
_UNTIL_PX = 1e-5
_SIGNS = {"dark_to_light": 1, "light_to_dark": -1}


def margin_px(smoothing_px: float) -> float:
    """Return how much more of a path must be seen at its ends."""
    return _REACH * smoothing_px + 1


@dataclass(frozen=True, slots=True)
class Edges:
    """What looks like an edge in profiles of `n` calipers with `m` samples, at the samples that `there` says.

    `contrast` is (n, m): levels by which both sides differ, signed: above zero from dark to light.
    """

    given: Profiles
    contrast: NDArray[np.float64]
    there: NDArray[np.bool_]
    smoothing_px: float

    def chosen(self, least: float, polarity: Polarity, which: Which) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the calipers, (n,), that have such an edge of `least` levels, and how far it is from their start."""
        strength = self.contrast * _SIGNS[polarity] if polarity in _SIGNS else np.abs(self.contrast)
        fitting = self.there & (strength >= least) & self._within()
        rows = np.flatnonzero(fitting.any(axis=1))
        if which == "first":
            samples = fitting.argmax(axis=1)
        elif which == "last":
            samples = fitting.shape[1] - 1 - fitting[:, ::-1].argmax(axis=1)
        else:
            samples = np.where(fitting, strength, -1.0).argmax(axis=1)
        return rows, self.placed(rows, samples[rows])

    def all_of(self, row: int, least: float) -> list[tuple[int, float]]:
        """Return all edges of one caliper in their order: sample and signed contrast."""
        fitting = self.there[row] & (np.abs(self.contrast[row]) >= least) & self._within()
        return [(int(sample), float(self.contrast[row, sample])) for sample in np.flatnonzero(fitting)]

    def placed(self, rows: NDArray[np.intp], samples: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return how far the edges at `samples` of the calipers `rows` are from their start, (n,) px."""
        levels, sigma = self.given.levels, self.smoothing_px
        reach = math.ceil(_REACH * sigma / STEP_PX)
        low, high = self._free(rows, samples)
        # differences between neighbours; their places are relative to the sample, in px
        window = samples[:, None] + np.arange(-reach, reach)
        inside = (window >= low[:, None]) & (window < high[:, None])
        window = np.clip(window, 0, levels.shape[1] - 2)
        steps = np.where(inside, levels[rows[:, None], window + 1] - levels[rows[:, None], window], 0.0)
        places = (np.arange(-reach, reach) + 0.5) * STEP_PX
        moved = np.zeros(len(rows))
        for _ in range(5):
            beside = places - moved[:, None]
            squared = (beside / sigma) ** 2
            weight = np.exp(-squared / 2)
            pull = (steps * beside * (1 + squared / 2) * weight).sum(axis=1)
            slope = (steps * (1 + squared / 2 - squared**2 / 2) * weight).sum(axis=1)
            further = np.divide(pull, slope, out=np.zeros(len(rows)), where=slope != 0)
            moved = np.clip(moved + further, -_FARTHEST_PX, _FARTHEST_PX)
            if not len(rows) or np.abs(further).max() < _UNTIL_PX:
                break
        found: NDArray[np.float64] = self.given.first_px + samples * STEP_PX + moved
        return found

    def _free(self, rows: NDArray[np.intp], samples: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return where what belongs to an edge begins and ends, (k,) samples: half way to its neighbours."""
        last = self.there.shape[1] - 1
        numbers = np.arange(last + 1)
        others = self.there[rows]
        before = np.where(others & (numbers < samples[:, None]), numbers, -(10**6)).max(axis=1)
        after = np.where(others & (numbers > samples[:, None]), numbers, 10**6).min(axis=1)
        return np.maximum((before + samples) // 2, 0), np.minimum((samples + after + 1) // 2, last)

    def _within(self) -> NDArray[np.bool_]:
        """Tell of each sample whether it lies between start and end."""
        places = self.given.first_px + np.arange(self.contrast.shape[1]) * STEP_PX
        within: NDArray[np.bool_] = (places >= 0) & (places <= self.given.length_px)
        return within


def find_edges(given: Profiles, smoothing_px: float, least: float) -> Edges:
    """Return what differs by half of `least` levels at least; what is less is noise, and no neighbour either."""
    contrast = cv2.filter2D(given.levels, cv2.CV_64F, _derivative(smoothing_px), borderType=cv2.BORDER_REPLICATE)
    strength = np.abs(contrast)
    there = strength >= least / 2
    there[:, 0] = there[:, -1] = False
    there[:, 1:] &= strength[:, 1:] > strength[:, :-1]
    there[:, :-1] &= strength[:, :-1] >= strength[:, 1:]
    return Edges(given, np.asarray(contrast, np.float64), there, smoothing_px)


@lru_cache(maxsize=64)
def _derivative(sigma_px: float) -> NDArray[np.float64]:
    """Return a filter, (1, n), that gives a sharp edge its contrast, and a blurred one less."""
    sigma = sigma_px / STEP_PX
    reach = math.ceil(_REACH * sigma)
    places = np.arange(-reach, reach + 1)
    kernel = places * np.exp(-(places**2) / (2 * sigma**2))
    # an edge between two samples, of which each pixel has its share
    edge = np.clip((places * STEP_PX) + 0.5, 0, 1)
    return np.asarray((kernel / (kernel * edge).sum())[None])
