"""How scores are spread, as bars for a page: good pictures above, those with drawn defects below, on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_BINS = 48
_THRESHOLD_AT = 0.4  # of the width: what is good lies left of it, and what lies far right of it is all the same


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


def histogram(good: Sequence[float], drawn: Sequence[float], threshold: float) -> Histogram:
    """Count scores; `good` has one at least."""
    least = min([*good, *drawn, threshold])
    most = max(*good, least + (threshold - least) / _THRESHOLD_AT)
    wide = (most - least) or 1.0

    def place(score: float) -> float:
        return round(100 * min(1.0, max(0.0, (score - least) / wide)), 2)

    marks = [(place(each), _figure(each)) for each in (least, threshold, most)]
    return Histogram(
        _bars(good, least, wide), _bars(drawn, least, wide), marks, place(threshold), any(each > most for each in drawn)
    )


def _bars(scores: Sequence[float], least: float, wide: float) -> list[Bar]:
    counts = [0] * _BINS
    for score in scores:
        counts[min(_BINS - 1, int((score - least) / wide * _BINS))] += 1
    highest = max(counts) or 1
    width, step = 100 / _BINS, wide / _BINS
    return [
        Bar(
            round(number * width, 3),
            round(width * 0.9, 3),
            round(100 * count / highest, 2),
            f"{count} from {_figure(least + number * step)}"
            + ("" if number == _BINS - 1 else f" to {_figure(least + (number + 1) * step)}"),
        )
        for number, count in enumerate(counts)
        if count
    ]


def _figure(score: float) -> str:
    return f"{score:.3g}"
