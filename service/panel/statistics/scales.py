"""Scales of drawings: where a value lies, and at which values there are lines.

Across, drawings are in percent, so that they are as wide as there is room, and words in them stay as large as others;
down they are in px.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Line(NamedTuple):
    """A line across a drawing, and what is said of it."""

    y: float
    value: float


class Scale(NamedTuple):
    """Values from `least` to `most` on a drawing of `height_px`, the greater ones above."""

    least: float
    most: float
    height_px: float

    def y(self, value: float) -> float:
        """Return where a value lies, from the upper edge on."""
        span = self.most - self.least
        share = (value - self.least) / span if span else 0.5
        return round(self.height_px * (1 - min(max(share, 0.0), 1.0)), 2)

    def lines(self, count: int = 2) -> list[Line]:
        """Return so many lines and the one below."""
        values = [self.least + (self.most - self.least) * place / count for place in range(count + 1)]
        return [Line(self.y(value), value) for value in values]


def from_zero(values: Sequence[float], height_px: float) -> Scale:
    """Return a scale from 0 to a round number beyond all values."""
    most = max(values, default=0.0)
    if most <= 0:
        return Scale(0.0, 1.0, height_px)
    unit = 10.0 ** math.floor(math.log10(most))
    steps = (1, 2, 4, 5, 10)
    return Scale(0.0, max(1.0, next(step * unit for step in steps if step * unit >= most)), height_px)


def of_shares(values: Sequence[float], height_px: float) -> Scale:
    """Return a scale that ends at 1 and begins a round share below all values."""
    least = min(values, default=0.0)
    begin = next((share for share in (0.99, 0.98, 0.95, 0.9, 0.8, 0.5) if share <= least), 0.0)
    return Scale(begin, 1.0, height_px)


def around(values: Sequence[float], height_px: float) -> Scale:
    """Return a scale that has all values, and a bit of room beyond them."""
    least, most = min(values), max(values)
    room = (most - least) * 0.08 or abs(most) * 0.01 or 1.0
    return Scale(least - room, most + room, height_px)


def percent(share: float) -> str:
    """Write a share of the width."""
    return f"{100 * share:.3f}".rstrip("0").rstrip(".") + "%"
