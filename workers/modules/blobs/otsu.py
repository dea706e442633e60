"""Levels that part grey values into classes as far apart as can be: N. Otsu, "A threshold selection method from
gray-level histograms", IEEE Transactions on Systems, Man and Cybernetics 9 (1979); three classes as in its section on
multithresholding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_Numbers = NDArray[np.float64]

_LEVELS = np.arange(256, dtype=np.float64)


def two_classes(histogram: _Numbers) -> tuple[int, float]:
    """Return the first level of the brighter class, and by how many levels the means of both differ.

    `histogram` is (256,): how often there is each level. Where there is only one level, the difference is 0.
    """
    count, total = np.cumsum(histogram), np.cumsum(histogram * _LEVELS)
    below = _spread(count, total) + _spread(count[-1] - count, total[-1] - total)
    last = _middle_of_best(below)
    means = _means(count, total, (last,))
    return last + 1, means[1] - means[0]


def three_classes(histogram: _Numbers) -> tuple[int, int, tuple[float, float]]:
    """Return the first levels of the middle and of the bright class, and how far the middle's mean is from each other.

    `histogram` as for `two_classes`.
    """
    count, total = np.cumsum(histogram), np.cumsum(histogram * _LEVELS)
    first = _spread(count, total)
    last = _spread(count[-1] - count, total[-1] - total)
    middle = _spread(count[None, :] - count[:, None], total[None, :] - total[:, None])
    between = np.triu(first[:, None] + middle + last[None, :])
    dark, bright = divmod(int(np.argmax(between)), 256)
    means = _means(count, total, (dark, bright))
    return dark + 1, bright + 1, (means[1] - means[0], means[2] - means[1])


def _spread(count: _Numbers, total: _Numbers) -> _Numbers:
    """Return the part of a class in the variance between classes, up to a constant: 0 where the class is empty."""
    return np.divide(total * total, count, out=np.zeros_like(total), where=count > 0)


def _middle_of_best(values: _Numbers) -> int:
    """Return the middle of the levels that are best: all levels in a gap of the histogram are equally good."""
    best = np.flatnonzero(values >= values.max() * (1 - 1e-12))
    return int(best[(len(best) - 1) // 2])


def _means(count: _Numbers, total: _Numbers, lasts: tuple[int, ...]) -> list[float]:
    """Return the mean of each class, given the last level of all but the last; an empty one has its neighbour's."""
    ends = [*lasts, 255]
    means: list[float] = []
    n_before, total_before = 0.0, 0.0
    for end in ends:
        n = float(count[end]) - n_before
        if n > 0:
            means.append((float(total[end]) - total_before) / n)
        else:
            means.append(means[-1] if means else 0.0)
        n_before, total_before = float(count[end]), float(total[end])
    return means
