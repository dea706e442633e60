"""Detected rectangles on a picture: an outline in the class colour and a tag with label and confidence; and lines.

Outlines and lines come first and tags last, so that no outline crosses a text. A tag looks for a place beside its
rectangle where it covers no other tag and as few other rectangles as it can; where there is none, only the
outline is drawn: two texts on top of each other say nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from workers.pictures.line_drawing import draw_line, read_line
from workers.pictures.rectangle_look import Look, read_look

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WEIGHT = 500  # of the font: between regular and bold, it holds on busy backgrounds
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_WORTH_MOVING = 0.02  # rectangles per cell that a later place must spare; less is chance of the grid


@dataclass(frozen=True, slots=True)
class Pen:
    """Sizes in px that fit a picture: readable when the whole of it is shown on one screen.

    `line_px` is OpenCV's thickness, of which it draws the next odd number: 3 px for 2.
    """

    line_px: int
    text_px: int

    @classmethod
    def for_size(cls, height: int, width: int) -> Pen:
        """Choose by the diagonal: 2 and 22 px at 1920x1024, 6 and 64 px at 5000x4000, at least 1 and 11."""
        diagonal = float(np.hypot(height, width))
        return cls(line_px=max(1, round(diagonal / 1100)), text_px=max(11, round(diagonal / 100)))


def draw_rectangles(
    picture: NDArray[np.uint8], rectangles: Sequence[Mapping[str, Any]], lines: Sequence[object] = ()
) -> None:
    """Draw `rectangles` and `lines` into `picture`, (h, w, 3) uint8 RGB; what has no place is left out, nothing raises.

    The fields that are read, and what stands in for missing ones: `workers/pictures/rectangle_look.py`, and
    `workers/pictures/line_drawing.py` for lines.
    """
    height, width = picture.shape[:2]
    looks = [look for rectangle in rectangles if (look := read_look(rectangle, height, width))]
    drawn = [line for entry in lines if (line := read_line(entry, height, width))]
    if not looks and not drawn:
        return
    pen = Pen.for_size(height, width)
    for look in looks:
        _outline(picture, look, pen)
    drawn.sort(key=lambda line: line.nok)  # what is wrong lies on top
    for line in drawn:
        draw_line(picture, line, pen.line_px)
    looks += [line.look for line in drawn]
    places = _Places(height, width, cell_px=max(1, pen.text_px // 10))
    for look in looks:
        places.mark_rectangle(look)
    for look in looks:
        _tag(picture, look, pen, places)


def _outline(picture: NDArray[np.uint8], look: Look, pen: Pen) -> None:
    line_type = cv2.LINE_8 if look.upright else cv2.LINE_AA
    strokes = [(look.color_bgr[::-1], pen.line_px)]
    if pen.line_px > 1:  # a dark or light rim, so that the colour stands out from any background
        strokes.insert(0, (_ink_on(look.color_bgr), pen.line_px + 2))
    for color, width_px in strokes:
        cv2.polylines(picture, [look.corners], isClosed=True, color=color, thickness=width_px, lineType=line_type)


def _tag(picture: NDArray[np.uint8], look: Look, pen: Pen, places: _Places) -> None:
    margin = round(pen.text_px * 0.3)
    text, text_width = _fitting_text(look, pen, picture.shape[1] - 2 * margin)
    if not text:
        return
    width, height = text_width + 2 * margin, round(pen.text_px * 1.35)
    corner = places.take(look, width, height, gap=pen.line_px // 2 + 1)
    if corner is None:
        return
    left, top = corner
    ink = _ink_on(look.color_bgr)
    cv2.rectangle(picture, (left, top, width, height), look.color_bgr[::-1], cv2.FILLED)
    # capital letters are 0.7 of the font's size high: they stand in the middle of the tag
    baseline = top + (height + round(pen.text_px * 0.7)) // 2
    cv2.putText(picture, text, (left + margin, baseline), ink, _font(), pen.text_px, _WEIGHT)


def _fitting_text(look: Look, pen: Pen, room_px: int) -> tuple[str, int]:
    """Return label and per cent, cut to `room_px`, and their width; "" where not even per cent fits."""
    label = look.label
    while True:
        text = f"{label} {look.percent}".strip()
        width = cv2.getTextSize((0, 0), text, (0, 0), _font(), pen.text_px, _WEIGHT)[2]
        if width <= room_px:
            return text, width
        if not label:
            return "", 0
        label = label[:-2] + "…" if len(label) > 2 else ""


@cache
def _font() -> cv2.FontFace:
    """OpenCV 5 brings a font of its own that knows most scripts; its first use takes about 20 ms."""
    return cv2.FontFace("sans")


def _ink_on(color_bgr: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return black or white, whichever reads better on the colour, by its luma of ITU-R BT.601."""
    blue, green, red = color_bgr
    return _BLACK if 0.299 * red + 0.587 * green + 0.114 * blue > 128 else _WHITE


class _Places:
    """A coarse grid of what the picture holds already, to find room for tags."""

    def __init__(self, height: int, width: int, cell_px: int) -> None:
        self._height, self._width, self._cell_px = height, width, cell_px
        shape = (height // cell_px + 1, width // cell_px + 1)
        self._rectangles = np.zeros(shape, np.uint16)
        self._tags = np.zeros(shape, np.bool_)

    def mark_rectangle(self, look: Look) -> None:
        self._rectangles[self._cells_inside(look.left, look.top, look.right, look.bottom)] += 1

    def take(self, look: Look, width: int, height: int, gap: int) -> tuple[int, int] | None:
        """Return left and top of a free place, `width` by `height` px, and take it; None where all is taken."""
        best, least = None, math.inf
        for left, top in self._candidates(look, width, height, gap):
            cells = self._cells_touched(left, top, left + width, top + height)
            covered = float(self._rectangles[cells].mean())
            if covered < least - _WORTH_MOVING and not self._tags[cells].any():
                best, least = (left, top), covered
            if least < _WORTH_MOVING:
                break
        if best is not None:
            left, top = best
            self._tags[self._cells_inside(left, top, left + width, top + height)] = True
        return best

    def _candidates(self, look: Look, width: int, height: int, gap: int) -> Iterator[tuple[int, int]]:
        """Yield places inside the picture, the best first: above, below, to the sides, inside."""
        above, below = look.top - gap - height, look.bottom + gap
        first = max(0, min(look.left - gap, self._width - width))
        last = max(0, min(look.right + gap - width, self._width - width))
        wished = (
            (first, above), (first, below), (last, above), (last, below),
            (look.right + gap, look.top), (look.left - gap - width, look.top),
            (look.left + gap, look.top + gap), (look.left + gap, look.bottom - gap - height),
        )  # fmt: skip
        for left, top in wished:
            if 0 <= left <= self._width - width and 0 <= top <= self._height - height:
                yield left, top

    def _cells_touched(self, left: int, top: int, right: int, bottom: int) -> tuple[slice, slice]:
        cell = self._cell_px
        return slice(top // cell, -(-bottom // cell)), slice(left // cell, -(-right // cell))

    def _cells_inside(self, left: int, top: int, right: int, bottom: int) -> tuple[slice, slice]:
        """Return the cells that lie in the box as a whole, so that a tag may stand right beside it."""
        cell = self._cell_px
        return slice(-(-top // cell), bottom // cell), slice(-(-left // cell), right // cell)
