"""Which of two methods tells pictures with drawn defects from good ones better, both held out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

_AS_CHEAP = 1.5  # times as many ms
_AS_GOOD = 0.01  # of AUROC: less is chance, with some dozens of pictures


class Tried(NamedTuple):
    """A method that was tried: AUROC of drawn against good, and the ms of a core that a picture takes."""

    method: str
    auroc: float
    ms: float


def auroc(good: Sequence[float], drawn: Sequence[float]) -> float:
    """Return how often a drawn picture has a higher score than a good one, 0 to 1; equal ones count half."""
    scores = np.concatenate([np.asarray(good, np.float64), np.asarray(drawn, np.float64)])
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    above = float(ranks[len(good) :].sum()) - len(drawn) * (len(drawn) + 1) / 2
    return above / (len(good) * len(drawn))


def better_of(tried: Sequence[Tried]) -> tuple[Tried, str]:
    """Return the one that is taken, and why in words.

    Of those that are as good and cost about the same it is the one that is named first: a method that has learned with
    defects as they are drawn here would else have its own lessons for an examination.
    """
    best = max(each.auroc for each in tried)
    close = [each for each in tried if each.auroc >= best - _AS_GOOD]
    least_ms = min(each.ms for each in close)
    taken = next(each for each in close if each.ms <= _AS_CHEAP * least_ms)
    others = [each for each in tried if each is not taken]
    figures = ", ".join(f"{each.method} {each.auroc:.3f} at {each.ms:.1f} ms" for each in (taken, *others))
    if len(close) > 1:
        cost = "costs less" if taken.ms == least_ms else "costs hardly more, and has learned with none of them"
        return taken, f"tells drawn defects from good as well as the other and {cost} (AUROC {figures})"
    return taken, f"tells drawn defects from good better (AUROC {figures})"
