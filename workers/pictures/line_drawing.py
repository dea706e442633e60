"""Lines of the context on a picture, as `measure` and user code leave them: a stroke, and a tag with name and value.

    |<------------->|      what lies between two ends (`method` is "width" or "distance"): bars at both
    ----------------       any other; one without length is a cross
    circle                 where it has a `centre` and a `radius`, with its diameter

Green is within its limits, vermilion is not, blue has none. User code writes lines too, so nothing here raises: what is
no line, or lies outside of the picture, is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from workers.pictures.rectangle_look import Look, number, printable_label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.pictures.rectangle_look import Color

# colours that those who see red and green alike can tell apart (Okabe and Ito), BGR
_OK_BGR, _NOK_BGR, _PLAIN_BGR = (115, 158, 0), (0, 94, 213), (233, 180, 86)
_BETWEEN = frozenset({"width", "distance"})
_SHIFT = 4  # of OpenCV's drawing: sixteenths of a pixel
_LARGEST_RADII = 4  # of height and width: what is larger is drawn as the line alone
_SLANTED = 0.02  # of height and width, that a line goes both across and down
_UNITS = {"deg": "°"}


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A line ready to be drawn, in px from the corner of the upper left pixel; `look` is for its tag."""

    start: tuple[float, float]
    end: tuple[float, float]
    centre: tuple[float, float] | None
    radius: float
    bars: bool
    nok: bool
    look: Look

    @property
    def length(self) -> float:
        """From start to end, px."""
        return math.dist(self.start, self.end)


def read_line(entry: object, height: int, width: int) -> Line | None:
    """Read an entry of `lines` for an image of `height` by `width` px; None where no part of it can be drawn."""
    if not isinstance(entry, Mapping):
        return None
    start, end = _place(entry.get("start")), _place(entry.get("end"))
    if start is None or end is None:
        return None
    centre, radius = _place(entry.get("centre")), number(entry.get("radius")) or 0.0
    if radius > _LARGEST_RADII * (height + width):
        centre = None
    reach = [start, end]
    if centre is not None and radius > 0:
        reach += [(centre[0] - radius, centre[1] - radius), (centre[0] + radius, centre[1] + radius)]
    (left, top), (right, bottom) = np.min(reach, axis=0), np.max(reach, axis=0)
    if left > width or top > height or right < 0 or bottom < 0:
        return None
    slanted = min(right - left, bottom - top) > _SLANTED * (height + width)
    if slanted and len(reach) == 2:  # the box around it is not where it is: its middle is
        (left, top), (right, bottom) = np.mean(reach, axis=0) - 1, np.mean(reach, axis=0) + 1
    look = _tag_look(entry, (left, top, right, bottom), height, width)
    bars, nok = entry.get("method") in _BETWEEN, look.color_bgr == _NOK_BGR
    return Line(start, end, centre, radius, bars, nok, look)


def draw_line(picture: NDArray[np.uint8], line: Line, line_px: int) -> None:
    """Draw it into `picture`, (h, w, 3) uint8 RGB, with a dark or light rim where there is room for one."""
    rim = (0, 0, 0) if sum(line.look.color_bgr) > 300 else (255, 255, 255)
    strokes = [(line.look.color_bgr[::-1], line_px)]
    if line_px > 1:
        strokes.insert(0, (rim, line_px + 2))
    for color, thickness in strokes:
        for start, end in _strokes(line, 5 * line_px):
            cv2.line(picture, _fixed(start), _fixed(end), color, thickness, cv2.LINE_AA, _SHIFT)
        if line.centre is not None and line.radius > 0:
            radius = round(line.radius * (1 << _SHIFT))
            cv2.circle(picture, _fixed(line.centre), radius, color, thickness, cv2.LINE_AA, _SHIFT)


def _strokes(line: Line, reach_px: float) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    (x0, y0), (x1, y1) = line.start, line.end
    length = line.length
    if length < 0.5:
        return [((x0 - reach_px, y0), (x0 + reach_px, y0)), ((x0, y0 - reach_px), (x0, y0 + reach_px))]
    strokes = [(line.start, line.end)]
    if line.bars:
        across = (-(y1 - y0) / length * reach_px, (x1 - x0) / length * reach_px)
        for x, y in (line.start, line.end):
            strokes.append(((x - across[0], y - across[1]), (x + across[0], y + across[1])))
    return strokes


def _fixed(point: tuple[float, float]) -> tuple[int, int]:
    """Return a point as OpenCV's drawing takes it, whose (0, 0) is the centre of the upper left pixel."""
    return round((point[0] - 0.5) * (1 << _SHIFT)), round((point[1] - 0.5) * (1 << _SHIFT))


def _place(value: object) -> tuple[float, float] | None:
    if not isinstance(value, Mapping):
        return None
    x, y = number(value.get("x")), number(value.get("y"))
    return None if x is None or y is None else (x, y)


def _tag_look(entry: Mapping[str, Any], box: tuple[float, ...], height: int, width: int) -> Look:
    """Return what the tag is drawn by: it stands beside the box of the line, and says its name and value."""
    left, top, right, bottom = (round(side) for side in box)
    left, top = max(0, min(left, width - 1)), max(0, min(top, height - 1))
    right, bottom = max(left + 1, min(right, width)), max(top + 1, min(bottom, height))
    ok = entry.get("ok")
    color: Color = _PLAIN_BGR if ok is None else _OK_BGR if ok is True else _NOK_BGR
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.int32)
    return Look(
        corners, left, top, right, bottom, upright=True,
        color_bgr=color,
        label=printable_label(entry.get("label")),
        percent=_value(entry),
    )  # fmt: skip


def _value(entry: Mapping[str, Any]) -> str:
    """Return the value with its unit, three digits behind the point; "" for none."""
    value = number(entry.get("value"))
    if value is None:
        return ""
    unit = printable_label(entry.get("unit"))
    return f"{value:.3f}{_UNITS[unit]}" if unit in _UNITS else f"{value:.3f} {unit}".strip()
