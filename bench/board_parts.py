"""What the example board is drawn with: its layers, and the parts that lie on it.

All coordinates are px of the finished 1920x1024 image; everything is drawn twice as large and reduced at the end,
which smooths every edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]

Point = tuple[int, int]
Color = tuple[int, int, int]

WIDTH_PX, HEIGHT_PX = 1920, 1024
_SCALE = 2
_BOARD = (40, 36, 1840, 952)  # left, top, width, height

_FREE_FIELD = ((1160, 292), (1716, 292), (1716, 706), (1160, 706), (1100, 640), (1100, 356))

_CONVEYOR: Color = (52, 48, 46)  # colours are BGR
_LAMINATE: Color = (36, 72, 20)
_COPPER: Color = (64, 136, 50)  # seen through the solder mask, as the laminate is
_GOLD: Color = (118, 188, 218)
SOLDER: Color = (192, 196, 196)
_SILK: Color = (226, 232, 230)
BLACK_PLASTIC: Color = (40, 38, 38)
CERAMIC: Color = (112, 152, 186)
_HOLE: Color = (24, 22, 20)


@dataclass(frozen=True)
class Defect:
    """A fault of one sample: copper that is missing or too much, or a part that was not placed."""

    missing_copper: tuple[Point, ...] = ()
    extra_copper: tuple[tuple[Point, ...], ...] = ()
    missing_part: str = ""


class Sheet:
    """The board as layers, twice the final size: copper under the mask, then what lies on top, in order of drawing."""

    def __init__(self, defect: Defect) -> None:
        self.defect = defect
        shape = (HEIGHT_PX * _SCALE, WIDTH_PX * _SCALE)
        self.copper = np.zeros(shape, np.uint8)
        self.open_pads = np.zeros(shape, np.uint8)
        self.silk = np.zeros(shape, np.uint8)
        self.holes = np.zeros(shape, np.uint8)
        self.top = np.zeros((*shape, 3), np.uint8)
        self.covered = np.zeros(shape, np.uint8)

    def trace(self, points: Sequence[Point], width: int = 6) -> None:
        """Lay a trace of copper with round ends."""
        line = np.array(points, np.int32) * _SCALE
        cv2.polylines(self.copper, [line], isClosed=False, color=255, thickness=width * _SCALE)

    def route(self, start: Point, end: Point, straight_px: int, width: int = 6) -> None:
        """Lay a trace that runs level for `straight_px`, then at 45 degrees to the height of `end`, then level."""
        way = 1 if end[0] > start[0] else -1
        bend = start[0] + way * straight_px
        self.trace([start, (bend, start[1]), (bend + way * abs(end[1] - start[1]), end[1]), end], width)

    def drop(self, start: Point, end: Point, straight_px: int, width: int = 6) -> None:
        """Lay a trace as `route` does, but upright first."""
        way = 1 if end[1] > start[1] else -1
        bend = start[1] + way * straight_px
        self.trace([start, (start[0], bend), (end[0], bend + way * abs(end[0] - start[0])), end], width)

    def pad(self, left: int, top: int, width: int, height: int) -> None:
        """Put a bare pad."""
        for layer in (self.copper, self.open_pads):
            _box(layer, (left, top, width, height), 255)

    def ground_via(self, center: Point) -> None:
        """Put a small plated hole into the ground plane, which needs no clearance."""
        for layer, size in ((self.open_pads, 7), (self.holes, 3)):
            cv2.circle(layer, _at(center), size * _SCALE, 255, cv2.FILLED)

    def via(self, center: Point, radius: int = 9, hole: int = 4) -> None:
        """Put a plated hole with its ring."""
        for layer, size in ((self.copper, radius), (self.open_pads, radius), (self.holes, hole)):
            cv2.circle(layer, _at(center), size * _SCALE, 255, cv2.FILLED)

    def frame(self, left: int, top: int, width: int, height: int) -> None:
        """Print the outline of a part."""
        _box(self.silk, (left, top, width, height), 255, thickness=2 * _SCALE)

    def print(self, text: str, origin: Point, size: int = 18, weight: int = 500) -> None:
        """Print white text; `origin` is the left end of its baseline."""
        font = cv2.FontFace("sans")
        cv2.putText(self.silk, text, _at(origin), (255, 255, 255), font, size * _SCALE, weight)

    def body(self, box: tuple[int, int, int, int], color: Color, text: str = "", text_px: int = 18) -> None:
        """Put a box of plastic, ceramic or metal, lit from the upper left, with its marking."""
        left, top, width, height = box
        _box(self.covered, box, 255)
        _box(self.top, box, shade(color, -14))
        _box(self.top, (left, top, width - 3, height - 3), shade(color, 26))
        _box(self.top, (left + 3, top + 3, width - 6, height - 6), color)
        if text:
            ink = shade(color, 120 if sum(color) < 380 else -120)
            origin = (left + max(4, (width - round(0.56 * text_px * len(text))) // 2), top + height // 2 + text_px // 3)
            cv2.putText(self.top, text, _at(origin), ink, cv2.FontFace("sans"), text_px * _SCALE, 400)

    def lead(self, left: int, top: int, width: int, height: int) -> None:
        """Put a soldered lead on its pad."""
        self.pad(left - 1, top - 1, width + 2, height + 2)
        _box(self.covered, (left, top, width, height), 255)
        _box(self.top, (left, top, width, height), SOLDER)

    def disc(self, center: Point, radius: int, color: Color) -> None:
        """Put something round."""
        cv2.circle(self.covered, _at(center), radius * _SCALE, 255, cv2.FILLED)
        cv2.circle(self.top, _at(center), radius * _SCALE, color, cv2.FILLED)

    def finish(self) -> Image:
        """Lay the layers over each other, with the defect in the copper, and reduce to the final size."""
        pour = cv2.bitwise_not(cv2.dilate(self.copper, np.ones((13 * _SCALE, 13 * _SCALE), np.uint8)))
        copper = self.copper.copy()
        for shape in self.defect.extra_copper:
            cv2.fillPoly(copper, [np.array(shape, np.int32) * _SCALE], 255)
        if self.defect.missing_copper:
            cv2.fillPoly(copper, [np.array(self.defect.missing_copper, np.int32) * _SCALE], 0)
        image = np.full((*copper.shape, 3), _LAMINATE, np.uint8)
        image[(copper > 0) | ((pour > 0) & (_pour_area() > 0))] = _COPPER
        image[self.open_pads > 0] = _GOLD
        image[(self.silk > 127) & (self.open_pads == 0)] = _SILK
        image[self.holes > 0] = _HOLE
        shadow = cv2.blur(np.roll(self.covered, (6 * _SCALE, 5 * _SCALE), (0, 1)), (9 * _SCALE, 9 * _SCALE))
        dark = cv2.merge([255 - shadow // 2] * 3)
        cv2.multiply(image, dark, dst=image, scale=1 / 255)
        image[_outside_board() > 0] = _CONVEYOR
        np.copyto(image, self.top, where=self.covered[..., None] > 0)
        return cv2.resize(image, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA).astype(np.uint8)


def _at(point: Point) -> Point:
    return point[0] * _SCALE, point[1] * _SCALE


def _box(layer: Image, box: tuple[int, int, int, int], color: Color | int, thickness: int = cv2.FILLED) -> None:
    left, top, width, height = (side * _SCALE for side in box)
    cv2.rectangle(layer, (left, top, width, height), color, thickness)


def shade(color: Color, by: int) -> Color:
    blue, green, red = (max(0, min(255, level + by)) for level in color)
    return blue, green, red


def _outside_board() -> Image:
    left, top, width, height = _BOARD
    board = np.full((HEIGHT_PX * _SCALE, WIDTH_PX * _SCALE), 255, np.uint8)
    radius = 22
    _box(board, (left + radius, top, width - 2 * radius, height), 0)
    _box(board, (left, top + radius, width, height - 2 * radius), 0)
    for x in (left + radius, left + width - radius):
        for y in (top + radius, top + height - radius):
            cv2.circle(board, _at((x, y)), radius * _SCALE, 0, cv2.FILLED)
    return board


def _pour_area() -> Image:
    """Return where the ground plane may lie: the board but for its edge and the field around the wide bundle."""
    left, top, width, height = _BOARD
    area = np.zeros((HEIGHT_PX * _SCALE, WIDTH_PX * _SCALE), np.uint8)
    _box(area, (left + 14, top + 14, width - 28, height - 28), 255)
    cv2.fillPoly(area, [np.array(_FREE_FIELD, np.int32) * _SCALE], 0)
    return area


def chip(sheet: Sheet, name: str, center: Point, color: Color, marking: str = "") -> None:
    """Place a two-terminal part, 44 by 22 px, lying level, with its name printed above."""
    x, y = center
    for left in (x - 30, x + 14):
        sheet.pad(left, y - 13, 16, 26)
    sheet.print(name, (x - 16, y - 20), size=15)
    if name == sheet.defect.missing_part:
        return
    sheet.body((x - 22, y - 11, 44, 22), SOLDER)
    sheet.body((x - 13, y - 11, 26, 22), color, marking, text_px=11)


def quad_package(sheet: Sheet, center: Point, half: int, pins: int, pitch: int) -> None:
    """Place a square package with `pins` leads on each side, `pitch` px apart."""
    x, y = center
    for i in range(pins):
        along = -(pins - 1) * pitch // 2 + i * pitch - 4
        sheet.lead(x + along, y - half - 22, 8, 24)
        sheet.lead(x + along, y + half - 2, 8, 24)
        sheet.lead(x - half - 22, y + along, 24, 8)
        sheet.lead(x + half - 2, y + along, 24, 8)
    sheet.body((x - half, y - half, 2 * half, 2 * half), BLACK_PLASTIC, "FM 1024", text_px=34)
    sheet.disc((x - half + 24, y - half + 24), 8, shade(BLACK_PLASTIC, 30))


def dual_package(sheet: Sheet, name: str, center: Point, text: str) -> None:
    """Place a package with four leads above and four below."""
    x, y = center
    for i in range(4):
        sheet.lead(x - 53 + 32 * i, y - 56, 10, 24)
        sheet.lead(x - 53 + 32 * i, y + 32, 10, 24)
    sheet.body((x - 66, y - 36, 132, 72), BLACK_PLASTIC, text, text_px=17)
    sheet.print(name, (x - 98, y - 18))


def header(sheet: Sheet, name: str, first: Point, columns: int, rows: int) -> None:
    """Place a pin header, 40 px pitch, whose first pin is at `first`."""
    x, y = first
    sheet.frame(x - 26, y - 26, 40 * columns + 12, 40 * rows + 12)
    sheet.body((x - 20, y - 20, 40 * columns, 40 * rows), BLACK_PLASTIC)
    for column in range(columns):
        for row in range(rows):
            pin = (x + 40 * column, y + 40 * row)
            cv2.circle(sheet.copper, _at(pin), 15 * _SCALE, 255, cv2.FILLED)
            _box(sheet.top, (pin[0] - 7, pin[1] - 7, 14, 14), _GOLD)
            _box(sheet.top, (pin[0] - 7, pin[1] - 7, 10, 10), shade(_GOLD, 30))
    sheet.print(name, (x - 24, y - 34))


def can(sheet: Sheet, name: str, center: Point, radius: int) -> None:
    """Place an electrolytic capacitor, seen from above."""
    x, y = center
    sheet.body((x - radius - 5, y - radius - 5, 2 * radius + 10, 2 * radius + 10), BLACK_PLASTIC)
    sheet.disc(center, radius, shade(SOLDER, -30))
    sheet.disc(center, radius - 5, SOLDER)
    cv2.ellipse(sheet.top, _at(center), (radius * _SCALE - 10, radius * _SCALE - 10), 0, 120, 240, (60, 52, 48), -1)
    sheet.print(name, (x - radius, y - radius - 14))


def crystal(sheet: Sheet, center: Point) -> None:
    """Place the crystal, a tin with round ends."""
    x, y = center
    for end in (x - 44, x + 44):
        sheet.disc((end, y), 26, shade(SOLDER, -18))
    sheet.body((x - 44, y - 26, 88, 52), shade(SOLDER, -18), "16.000", text_px=20)
    sheet.print("Y1", (x - 64, y - 36))
