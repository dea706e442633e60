"""Measured values of a time: mean, spread, capability, and how they went.

s is the standard deviation of all values of the time, with n - 1. With the limits L and U, of the last value:
Cp = (U - L) / 6 s; Cpk = the smaller of (U - mean) / 3 s and (mean - L) / 3 s; with one limit alone there is no Cp.
They are those of ISO 22514-2 for values that are normally distributed; it calls them Pp and Ppk while nobody has shown
that the process is stable.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from service.history.schema.quarter_tables import BY_QUARTERS
from service.history.schema.tables import SERIES
from service.history.schema.times import DAY_NS, QUARTER_NS
from service.statistics.pieces import Piece, is_in, pieces_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from service.statistics.asked import Wanted

_POINTS = 32
_WORDS_AND_DIGITS = re.compile(r"([^0-9]*)([0-9]{0,18})")
_BY_QUARTERS_NS = 2 * DAY_NS + 4 * QUARTER_NS  # a day of 25 hours among them
_MOST_SERIES = 400
_SUMMED = ("count", "mean", "squares", "least", "most", "failed", "low", "high")


@dataclass(slots=True)
class Stretch:
    """The values from `begin_ns` on and before `end_ns`."""

    begin_ns: int
    end_ns: int
    count: int
    mean: float
    least: float
    most: float


@dataclass(slots=True)
class Measure:
    """The values of a series of a camera."""

    camera: str
    name: str
    unit: str
    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    least: float | None = None
    most: float | None = None
    failed: int = 0
    low: float | None = None
    high: float | None = None
    stretches: list[Stretch] = field(default_factory=list)

    @property
    def sigma(self) -> float | None:
        """The standard deviation; None of less than two values."""
        return math.sqrt(max(0.0, self.squares) / (self.count - 1)) if self.count > 1 else None

    @property
    def cp(self) -> float | None:
        """How often six sigma fit between the limits."""
        if self.low is None or self.high is None or not self.sigma:
            return None
        return (self.high - self.low) / (6 * self.sigma)

    @property
    def cpk(self) -> float | None:
        """How often three sigma fit between the mean and the limit that is nearer."""
        if not self.sigma or (self.low is None and self.high is None):
            return None
        rooms = [self.high - self.mean] if self.high is not None else []
        rooms += [self.mean - self.low] if self.low is not None else []
        return min(rooms) / (3 * self.sigma)


def measures_of(connection: Connection, wanted: Wanted) -> list[Measure]:
    """Return each series of each camera, by camera and name."""
    found: dict[tuple[str, int], Measure] = {}
    width_ns = _point_width_ns(wanted)
    for piece in _pieces_of(wanted):
        columns = piece.sums.measured.c
        query = select(columns.camera, columns.series, columns.begin_ns, *(columns[name] for name in _SUMMED))
        query = query.where(*is_in(piece.sums.measured, piece, wanted)).order_by(columns.begin_ns)
        for camera, series, begin_ns, *summed in connection.execute(query):
            one = found.get((camera, series))
            if one is None:
                one = found[camera, series] = Measure(camera, "", "")
            point_ns = begin_ns - (begin_ns - wanted.since_ns) % width_ns
            _add(one, point_ns, width_ns, summed)
    of_them = select(SERIES).where(SERIES.c.series.in_({series for _, series in found}))
    names = {row.series: row for row in connection.execute(of_them)}
    for (_, series), one in found.items():
        one.name, one.unit = names[series].name, names[series].unit
    return sorted(found.values(), key=lambda one: (_as_counted(one.camera), _as_counted(one.name)))[:_MOST_SERIES]


def _as_counted(name: str) -> list[tuple[str, int]]:
    """Return by what people sort names: bore 10 comes behind bore 9."""
    return [(words, int(digits or 0)) for words, digits in _WORDS_AND_DIGITS.findall(name)]


def _pieces_of(wanted: Wanted) -> list[Piece]:
    """Take some days in quarters, so that it is seen how they went; more as others."""
    if wanted.span_ns <= _BY_QUARTERS_NS:
        return [Piece(BY_QUARTERS, wanted.since_ns, wanted.until_ns)]
    return pieces_of(wanted)


def _add(one: Measure, point_ns: int, width_ns: int, summed: Sequence[Any]) -> None:
    """Add the values of a span to those before: Chan, Golub and LeVeque 1979."""
    count, mean, squares, least, most, failed, one.low, one.high = summed
    one.failed += failed
    if not count:
        return
    apart, together = mean - one.mean, one.count + count
    one.squares += squares + apart * apart * one.count * count / together
    one.mean += apart * count / together
    one.count = together
    one.least = least if one.least is None else min(one.least, least)
    one.most = most if one.most is None else max(one.most, most)
    last = one.stretches[-1] if one.stretches else None
    if last is None or last.begin_ns < point_ns:
        one.stretches.append(Stretch(point_ns, point_ns + width_ns, count, mean, least, most))
    else:
        last.count += count
        last.mean += (mean - last.mean) * count / last.count
        last.least, last.most = min(last.least, least), max(last.most, most)


def _point_width_ns(wanted: Wanted) -> int:
    """Return the length of time that a point is of: of some days quarters, else days."""
    unit_ns = QUARTER_NS if wanted.span_ns <= _BY_QUARTERS_NS else DAY_NS
    return -(-wanted.span_ns // (_POINTS * unit_ns)) * unit_ns


def document_of(one: Measure) -> dict[str, Any]:
    """Return it as JSON has it."""
    return {
        "camera": one.camera,
        "name": one.name,
        "unit": one.unit,
        "count": one.count,
        "mean": one.mean if one.count else None,
        "sigma": one.sigma,
        "least": one.least,
        "most": one.most,
        "failed": one.failed,
        "min": one.low,
        "max": one.high,
        "cp": one.cp,
        "cpk": one.cpk,
    }
