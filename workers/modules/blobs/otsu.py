"""Levels that part grey values into classes as far apart as can be: N. Otsu, "A threshold selection method from
gray-level histograms", IEEE Transactions on Systems, Man and Cybernetics 9 (1979); three classes as in its section on
multithresholding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_Numbers = NDArray[np.float64]

_LEVELS = np.arange(256, dtype=np.float64)


def two_classes(histogram: _Numbers) -> tuple[int, float]:
    """Return the first level of the brighter class, and by how many levels the means of both differ.

    `histogram` is (256,): how often there is each level. Where there is only one level, the difference is 0.
    """
    count, total = np.cumsum(histogram), np.cumsum(histogram * _LEVELS)
    between = _spread(count, total) + _spread(count[-1] - count, total[-1] - total)
    (last,) = _middle(_best(between))
    dark, bright = _classes(count, total, (last,))
    return last + 1, bright.above(dark)


def three_classes(histogram: _Numbers) -> tuple[int, int, tuple[float, float]]:
    """Return the first levels of the middle and of the bright class, and how far the middle's mean is from each other.

    `histogram` is (256,), as for `two_classes`. Where there are two levels only, the more frequent one is the middle
    class.
    """
    count, total = np.cumsum(histogram), np.cumsum(histogram * _LEVELS)
    first = _spread(count, total)
    last = _spread(count[-1] - count, total[-1] - total)
    in_the_middle = count[None, :] - count[:, None]
    middle = _spread(in_the_middle, total[None, :] - total[:, None])
    best = _best(np.triu(first[:, None] + middle + last[None, :]))
    best &= in_the_middle == in_the_middle[best].max()
    ends = _middle(best)
    classes = _classes(count, total, ends)
    apart = (classes[1].above(classes[0]), classes[2].above(classes[1]))
    return ends[0] + 1, ends[1] + 1, apart


class _Class(NamedTuple):
    pixels: float
    total: float

    def above(self, darker: _Class) -> float:
        """Return by how much the mean is above that of a darker class; 0 where one of both has no pixels."""
        if not self.pixels or not darker.pixels:
            return 0.0
        return self.total / self.pixels - darker.total / darker.pixels


def _classes(count: _Numbers, total: _Numbers, ends: Sequence[int]) -> list[_Class]:
    """Return the classes that end with the levels `ends`, and the rest."""
    counts = np.diff([0, *count[[*ends]], count[-1]]).tolist()
    totals = np.diff([0, *total[[*ends]], total[-1]]).tolist()
    return [_Class(*each) for each in zip(counts, totals, strict=True)]


def _spread(count: _Numbers, total: _Numbers) -> _Numbers:
    """Return the part of a class in the variance between classes, up to a constant: 0 where the class is empty."""
    return np.divide(total * total, count, out=np.zeros_like(total), where=count > 0)


def _best(values: _Numbers) -> NDArray[np.bool_]:
    """Return which are best: all levels in a gap of the histogram are equally good."""
    best: NDArray[np.bool_] = values >= values.max() * (1 - 1e-12)
    return best


def _middle(places: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the place in the middle of `places`, along each axis."""
    return tuple(int(axis.min() + axis.max()) // 2 for axis in np.nonzero(places))
