"""How scores are spread, as bars for a page: good pictures above, those with drawn defects below, on one axis.

The axis is stretched at its beginning, as square roots are: good scores lie close together, and those of defects are
many times as high.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_BINS = 64
_MOST_TIMES = 30  # as far above the least score as the threshold is: what lies beyond is all the same
_APART = 9.0  # percent of the width that two figures on the axis need at least


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, in percent of the width and the height of its row; `words` say what it counts."""

    left: float
    width: float
    height: float
    words: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """Both rows. `marks` are scores along the axis, each with its place in percent; `threshold` is where that is.

    The last bar counts everything beyond the axis, too, where `open_end` says that there is some.
    """

    good: list[Bar]
    drawn: list[Bar]
    marks: list[tuple[float, str]]
    threshold: float
    open_end: bool


class _Axis:
    """From the least score to the highest that is shown."""

    def __init__(self, least: float, most: float) -> None:
        self.least, self.most = least, most
        self._wide = (most - least) or 1.0

    def place(self, score: float) -> float:
        """Return where a score lies, 0 to 1."""
        return math.sqrt(min(1.0, max(0.0, (score - self.least) / self._wide)))

    def score(self, place: float) -> float:
        """Return the score that lies there."""
        return self.least + place**2 * self._wide

    def bars(self, scores: Sequence[float]) -> list[Bar]:
        """Count scores."""
        counts = [0] * _BINS
        for score in scores:
            counts[min(_BINS - 1, int(self.place(score) * _BINS))] += 1
        highest, width = max(counts) or 1, 100 / _BINS
        return [
            Bar(
                round(number * width, 3),
                round(width * 0.9, 3),
                round(100 * count / highest, 2),
                self._words(number, count),
            )
            for number, count in enumerate(counts)
            if count
        ]

    def _words(self, number: int, count: int) -> str:
        begins, ends = self.score(number / _BINS), self.score((number + 1) / _BINS)
        return f"{count} from {_figure(begins)}" + (f" to {_figure(ends)}" if number < _BINS - 1 else "")


def histogram(good: Sequence[float], drawn: Sequence[float], threshold: float) -> Histogram:
    """Count scores; `good` has one at least."""
    least = min([*good, *drawn, threshold])
    highest = max([*good, *drawn, 2 * threshold - least])
    axis = _Axis(least, min(highest, least + _MOST_TIMES * (threshold - least)) if threshold > least else highest)
    marks = [(axis.place(threshold), threshold), (1.0, axis.most), (0.0, least)]
    for quarter in (0.25, 0.5, 0.75):
        if all(abs(quarter - place) > _APART / 100 for place, _ in marks):
            marks.append((quarter, axis.score(quarter)))
    shown = [(round(100 * place, 2), _figure(score)) for place, score in sorted(marks)]
    beyond = any(each > axis.most for each in (*good, *drawn))
    return Histogram(axis.bars(good), axis.bars(drawn), shown, round(100 * axis.place(threshold), 2), beyond)


def _figure(score: float) -> str:
    return f"{score:.3g}"
