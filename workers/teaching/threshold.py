"""From which score on a picture is NOK, so that of good ones only a given share is.

The scores are of good pictures that were held out. Where the share leaves ten of them above the threshold, it lies
where that many are. Where it leaves fewer, down to none, hardly anybody has seen that part of the tail: it is taken to
go on falling as it does over the hottest tenth, exponentially, as tails of most kinds of scores do.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

_SEEN = 10  # so many scores above it make a threshold that can be counted
_TAIL_SHARE = 0.1
_TAIL_LEAST = 5
_SURE = 1.959964  # standard deviations, of an interval that holds in 19 of 20 cases


class Threshold(NamedTuple):
    """A threshold: `extrapolated` says that fewer than ten of the good pictures would lie above it."""

    score: float
    extrapolated: bool


def threshold_for(good: Sequence[float], false_alarms: float) -> Threshold:
    """Return the score from which a share of `false_alarms`, above 0, of pictures like `good` would be NOK."""
    scores = np.sort(np.asarray(good, np.float64))
    above = false_alarms * scores.size
    if above >= _SEEN:
        return Threshold(_beyond(float(np.quantile(scores, 1 - false_alarms)), scores[0]), extrapolated=False)
    count = min(max(_TAIL_LEAST, round(_TAIL_SHARE * scores.size)), max(1, scores.size - 1))
    count = max(count, math.ceil(above))
    begins = float(scores[-count - 1]) if scores.size > count else float(scores[0])
    mean_excess = float(np.mean(scores[-count:] - begins))
    score = begins + mean_excess * math.log(count / above)
    return Threshold(_beyond(score, begins), extrapolated=True)


def share_between(count: int, of: int) -> tuple[float, float]:
    """Return between which shares the true one lies, in 19 of 20 cases, where `count` of `of` were seen (Wilson)."""
    if not of:
        return 0.0, 1.0
    seen, square = count / of, _SURE**2 / of
    middle = (seen + square / 2) / (1 + square)
    wide = _SURE / (1 + square) * math.sqrt(seen * (1 - seen) / of + square / (4 * of))
    return max(0.0, middle - wide), min(1.0, middle + wide)


def _beyond(score: float, least: float) -> float:
    """Return a score that is above `least` in any case: scores that are all the same leave no picture NOK."""
    return max(score, float(np.nextafter(least, np.inf)))
