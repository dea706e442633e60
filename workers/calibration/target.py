"""Targets to calibrate with: a chessboard or a grid of circles, and the sheet that is printed.

chessboard:9x6:10mm     9 x 6 inner corners, so 10 x 7 squares, of 10 mm
circles:9x6:10mm        9 x 6 circles, from centre to centre 10 mm
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_FORM = re.compile(r"(chessboard|circles):(\d+)x(\d+):(\d+(?:\.\d+)?)mm")
_EXPECTED = "expected one as chessboard:9x6:10mm (inner corners) or circles:9x6:10mm"
_LEAST, _MOST = 3, 60

_A4_MM = (297.0, 210.0)
_CIRCLE_SHARE = 0.5  # diameter by distance: so much white between circles keeps them apart out of focus
_RULER_MM = 100.0
_TEXT_MM = 3.0


@dataclass(frozen=True, slots=True)
class Target:
    """A target: how many corners or circles, and how far apart they are."""

    kind: Literal["chessboard", "circles"]
    columns: int
    rows: int
    pitch_mm: float

    def __str__(self) -> str:
        """Write it as it is named on a command line."""
        return f"{self.kind}:{self.columns}x{self.rows}:{self.pitch_mm:g}mm"

    @property
    def points_mm(self) -> list[tuple[float, float]]:
        """Its corners or centres in the order in which they are found, row by row."""
        return [
            (self.pitch_mm * column, self.pitch_mm * row) for row in range(self.rows) for column in range(self.columns)
        ]


def read_target(text: str) -> Target:
    """Return the target that `text` names; raises ValueError."""
    form = _FORM.fullmatch(text.strip())
    if form is None:
        msg = f"{text!r} is no target; {_EXPECTED}"
        raise ValueError(msg)
    kind, columns, rows, pitch_mm = form[1], int(form[2]), int(form[3]), float(form[4])
    if not (_LEAST <= columns <= _MOST and _LEAST <= rows <= _MOST):
        msg = f"{text} has {columns} x {rows} points; expected {_LEAST} to {_MOST} in both directions"
        raise ValueError(msg)
    if not 0.01 <= pitch_mm <= 1000:
        msg = f"{text} has points {pitch_mm:g} mm apart; expected 0.01 to 1000 mm"
        raise ValueError(msg)
    return Target("chessboard" if kind == "chessboard" else "circles", columns, rows, pitch_mm)


@dataclass(frozen=True, slots=True)
class Box:
    """A black rectangle, in mm from the upper left corner of the sheet."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Disc:
    """A black disc, in mm."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True, slots=True)
class Words:
    """A line of text that begins at x, on the base line y, in mm."""

    x: float
    y: float
    size: float
    text: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is printed: A4 across where the target fits, else as large as it must be."""

    width_mm: float
    height_mm: float
    shapes: tuple[Box | Disc | Words, ...]


def sheet_of(target: Target) -> Sheet:
    """Return the sheet of a target, with a ruler by which whoever prints it sees whether it has its size."""
    pitch = target.pitch_mm
    squares = 1 if target.kind == "chessboard" else 0
    # from the first to the last black
    wide, high = (target.columns - 1 + 2 * squares) * pitch, (target.rows - 1 + 2 * squares) * pitch
    border, foot = max(1.5 * pitch, 10.0), 4 * _TEXT_MM
    need = (max(wide, _RULER_MM) + 2 * border, high + 2 * border + foot)
    width, height = _A4_MM if need[0] <= _A4_MM[0] and need[1] <= _A4_MM[1] else need
    left, top = (width - wide) / 2, (height - foot - high) / 2
    shapes: list[Box | Disc | Words] = []
    if target.kind == "chessboard":
        for row in range(target.rows + 1):
            shapes += [
                Box(left + column * pitch, top + row * pitch, pitch, pitch)
                for column in range(row % 2, target.columns + 1, 2)
            ]
    else:
        shapes += [Disc(left + x, top + y, _CIRCLE_SHARE * pitch / 2) for x, y in target.points_mm]
    base = height - foot
    ruler = (width - _RULER_MM) / 2
    shapes += [
        Box(ruler, base, _RULER_MM, 0.3),
        Box(ruler, base - 2, 0.3, 4),
        Box(ruler + _RULER_MM - 0.3, base - 2, 0.3, 4),
        Words(ruler, base + 2 * _TEXT_MM, _TEXT_MM, f"{target}   print at 100 %: the line is {_RULER_MM:g} mm long"),
    ]
    return Sheet(width, height, tuple(shapes))
