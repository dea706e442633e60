"""What is drawn of statistics, as shapes: templates make SVG of them, with classes for colours and no style."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import log2
from typing import TYPE_CHECKING, NamedTuple

from service.panel.statistics.scales import Line, around, from_zero, of_shares, percent

if TYPE_CHECKING:
    from service.statistics.counts import Bin
    from service.statistics.latency import Took
    from service.statistics.measured import Measure

_HEIGHT_PX = 150.0
_SMALL_PX = 84.0
_GAP = 0.12  # of a bar's width
_MOST_MARKS = 5
_WARMTHS = 5
HEAT_HEIGHT = 750.0  # of a picture that is 1000 wide and as high as nobody knows


class Box(NamedTuple):
    """A rectangle; `title` is shown where somebody points at it."""

    x: str
    width: str
    y: float
    height: float
    kind: str
    title: str = ""


class Stroke(NamedTuple):
    """A line from a point to another."""

    x1: str
    y1: float
    x2: str
    y2: float
    kind: str
    title: str = ""


class Dot(NamedTuple):
    """A point."""

    x: str
    y: float
    title: str


class Mark(NamedTuple):
    """Words below a drawing; `anchor` as SVG has it."""

    x: str
    words: str
    anchor: str


class Drawing(NamedTuple):
    """All of one; `lines` lie across it, with their values."""

    height: float
    boxes: Sequence[Box]
    strokes: Sequence[Stroke]
    dots: Sequence[Dot]
    lines: Sequence[Line]
    marks: Sequence[Mark]


class Cell(NamedTuple):
    """A cell of a picture, in thousandths of its width; `kind` says how warm it is."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str


def frames_drawing(bins: Sequence[Bin], say: Callable[[Bin], str], mark: Callable[[int], str]) -> Drawing:
    """Draw how many frames had which verdict."""
    scale = from_zero([one.counts.inspected for one in bins], _HEIGHT_PX)
    boxes = _unknown(bins)
    for one in bins:
        below, title = 0, say(one)
        for count, kind in ((one.counts.ok, "ok"), (one.counts.nok, "nok"), (one.counts.error, "error")):
            if count:
                top = scale.y(below + count)
                boxes.append(_bar(bins, one, top, scale.y(below) - top, kind)._replace(title=title))
                below += count
    return Drawing(_HEIGHT_PX, boxes, (), (), scale.lines(), _marks(bins, mark))


def yield_drawing(bins: Sequence[Bin], say: Callable[[Bin], str], mark: Callable[[int], str]) -> Drawing:
    """Draw which share was OK; where there were no frames there is no point, and no line across."""
    shares = [share for one in bins if (share := one.counts.ok_share) is not None]
    scale, strokes, dots = of_shares(shares, _HEIGHT_PX), [], []
    last: tuple[str, float] | None = None
    for one in bins:
        share = one.counts.ok_share
        if share is None:
            last = None
            continue
        at = percent(_place(bins, (one.begin_ns + one.end_ns) / 2)), scale.y(share)
        if last is not None:
            strokes.append(Stroke(*last, *at, "yield"))
        dots.append(Dot(*at, say(one)))
        last = at
    return Drawing(_HEIGHT_PX, _unknown(bins), strokes, dots, scale.lines(), _marks(bins, mark))


def measure_drawing(one: Measure, since_ns: int, until_ns: int, say: Callable[[float], str]) -> Drawing:
    """Draw how the values of a series went: mean, extremes, limits."""
    known = [value for value in (one.low, one.high, one.least, one.most) if value is not None]
    if not known:
        return Drawing(_SMALL_PX, (), (), (), (), ())
    scale = around(known, _SMALL_PX)
    limits = [limit for limit in (one.low, one.high) if limit is not None]
    strokes = [Stroke("0%", scale.y(limit), "100%", scale.y(limit), "limit", say(limit)) for limit in limits]
    last: tuple[str, float] | None = None
    span_ns = until_ns - since_ns
    for point in one.stretches:
        x = percent(min(max(((point.begin_ns + point.end_ns) / 2 - since_ns) / span_ns, 0.0), 1.0))
        title = f"{say(point.mean)} ({say(point.least)} - {say(point.most)})"
        strokes.append(Stroke(x, scale.y(point.least), x, scale.y(point.most), "extremes", title))
        at = x, scale.y(point.mean)
        if last is not None:
            strokes.append(Stroke(*last, *at, "mean"))
        last = at
    dots = [Dot(*last, say(one.stretches[0].mean))] if len(one.stretches) == 1 and last else []
    return Drawing(_SMALL_PX, (), strokes, dots, (), ())


def latency_drawing(bins: Sequence[Took], say: Callable[[Took], str], mark: Callable[[float], str]) -> Drawing:
    """Draw how many frames took how long; each bar is of times that are a fifth longer than those of the one before."""
    if not bins:
        return Drawing(_HEIGHT_PX, (), (), (), (), ())
    scale = from_zero([one.frames for one in bins], _HEIGHT_PX)
    first, last = bins[0].from_ms, bins[-1].until_ms
    count = max(1, round(_steps(last / first)))
    boxes = []
    for one in bins:
        place = round(_steps(one.from_ms / first))
        top = scale.y(one.frames)
        x, width = percent((place + _GAP / 2) / count), percent((1 - _GAP) / count)
        boxes.append(Box(x, width, top, _HEIGHT_PX - top, "took", say(one)))
    marks = [
        Mark(percent(place / count), mark(first * 2 ** (place / 4)), _anchor(place / count))
        for place in range(0, count + 1, max(1, -(-count // _MOST_MARKS)))
    ]
    return Drawing(_HEIGHT_PX, boxes, (), (), scale.lines(), marks)


def heat_cells(
    counts: Mapping[tuple[int, int], int], columns: int, rows: int, height: float, say: Callable[[int], str]
) -> list[Cell]:
    """Draw how often something lay in a cell of a picture that is 1000 wide."""
    most = max(counts.values(), default=0)
    width, down = 1000 / columns, height / rows
    return [
        Cell(
            round(column * width, 2),
            round(row * down, 2),
            round(width, 2),
            round(down, 2),
            f"warm-{max(1, -(-count * _WARMTHS // most))}",
            say(count),
        )
        for (column, row), count in sorted(counts.items())
        if count
    ]


def bar_share(count: int, most: int) -> str:
    """Return how long a bar is beside the longest."""
    return percent(count / most if most else 0.0)


def _steps(factor: float) -> float:
    """Return how many bins of a fifth lie within a factor."""
    return 4 * log2(factor)


def _place(bins: Sequence[Bin], at_ns: float) -> float:
    return (at_ns - bins[0].begin_ns) / (bins[-1].end_ns - bins[0].begin_ns)


def _bar(bins: Sequence[Bin], one: Bin, y: float, height: float, kind: str) -> Box:
    begin, end = _place(bins, one.begin_ns), _place(bins, one.end_ns)
    gap = (end - begin) * _GAP / 2
    return Box(percent(begin + gap), percent(end - begin - 2 * gap), y, round(height, 2), kind)


def _unknown(bins: Sequence[Bin]) -> list[Box]:
    """Draw where not all is known, behind all else."""
    return [
        _bar(bins, one, 0, _HEIGHT_PX, "unknown")._replace(
            x=percent(_place(bins, one.begin_ns)),
            width=percent(_place(bins, one.end_ns) - _place(bins, one.begin_ns)),
        )
        for one in bins
        if one.unknown
    ]


def _marks(bins: Sequence[Bin], mark: Callable[[int], str]) -> list[Mark]:
    step = max(1, -(-len(bins) // _MOST_MARKS))
    found = [(_place(bins, one.begin_ns), mark(one.begin_ns)) for one in bins[::step]]
    return [Mark(percent(share), words, _anchor(share)) for share, words in found]


def _anchor(share: float) -> str:
    return "start" if share < 0.05 else "end" if share > 0.95 else "middle"
