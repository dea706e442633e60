"""One attempt of zxing-cpp at one picture, and what it has read, in px of the picture that the module was given."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray

from workers.context.placement import points_in_frame
from workers.modules.codes.formats import LINEAR, ZXING
from workers.modules.codes.places import Grey, Matrix

_BY_ZXING = {variant: name for name, variants in ZXING.items() for variant in variants}
_UPC, _EAN_DIGITS = ("upc_a", "upc_e"), 13


@dataclass(frozen=True, slots=True)
class Code:
    """A code that was read: its text as people read it, its format, the bytes of its content.

    `corners` are (4, 2) px: upper left, upper right, lower right, lower left, as one holds it to read it.
    `is_gs1` says that it is marked as one of GS1.
    """

    text: str
    format: str
    content: bytes
    is_gs1: bool
    corners: NDArray[np.float64]

    @property
    def middle(self) -> tuple[float, float]:
        """Its centre, x and y in px."""
        x, y = self.corners.mean(axis=0).tolist()
        return x, y

    @property
    def degrees(self) -> float:
        """Its angle, clockwise, above -180 to 180; 0 is upright."""
        x, y = (self.corners[1] - self.corners[0] + self.corners[2] - self.corners[3]).tolist()
        degrees = math.degrees(math.atan2(y, x))
        return degrees if degrees > -180 else 180.0

    @property
    def sides_px(self) -> tuple[float, float]:
        """Its width and height, px."""
        upper_left, upper_right, lower_right, lower_left = self.corners
        across = np.hypot(*(upper_right - upper_left)) + np.hypot(*(lower_right - lower_left))
        down = np.hypot(*(lower_left - upper_left)) + np.hypot(*(lower_right - upper_right))
        return float(across) / 2, float(down) / 2

    @property
    def area_px(self) -> float:
        """How much of the picture it is seen in: of bars, as far as rows agree."""
        width, height = self.sides_px
        return width * height

    def holds(self, other: Code) -> bool:
        """Tell whether the middle of `other` is within it."""
        return cv2.pointPolygonTest(self.corners.astype(np.float32), other.middle, measureDist=False) >= 0

    def contradicts(self, other: Code) -> bool:
        """Tell whether one of both was misread: bars where the other is, which say something else."""
        bars = self.format in LINEAR or other.format in LINEAR
        return bars and (self.holds(other) or other.holds(self)) and not self.is_same(other)

    def is_same(self, other: Code) -> bool:
        """Tell whether both are one code that was read twice: of the same text, at the same place."""
        if (self.format, self.content) != (other.format, other.content):
            return False
        near = max(*self.sides_px, *other.sides_px) / 2
        return math.dist(self.middle, other.middle) < near

    def placed(self, matrix: Matrix) -> Code:
        """Return it as `matrix`, (3, 3), takes it to another picture."""
        return Code(self.text, self.format, self.content, self.is_gs1, points_in_frame(self.corners, matrix))


def agreeing(one: Iterable[Code], other: Iterable[Code]) -> list[Code]:
    """Return those of `one` that are among `other` by what they say."""
    said = {(code.format, code.content) for code in other}
    return [code for code in one if (code.format, code.content) in said]


class Reader:
    """Reads codes of some formats, by their names in projects."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        known = zxingcpp.BarcodeFormat
        variants = [getattr(known, variant) for name in sorted(self._names) for variant in ZXING[name]]
        self._formats = zxingcpp.BarcodeFormats(variants)

    def __bool__(self) -> bool:
        return bool(self._names)

    def read(self, grey: Grey) -> Sequence[Code]:
        """Return what is read in `grey`, (h, w)."""
        return [_code(found) for found in zxingcpp.read_barcodes(grey, formats=self._formats)]


def _code(found: zxingcpp.Barcode) -> Code:
    at = found.position
    corners = np.array(
        [(each.x, each.y) for each in (at.top_left, at.top_right, at.bottom_right, at.bottom_left)], np.float64
    )
    name = _BY_ZXING.get(found.format.name) or _BY_ZXING.get(found.symbology.name) or found.format.name.lower()
    if name in LINEAR and cv2.contourArea(corners.astype(np.float32), oriented=True) < 0:
        corners = corners[[3, 2, 1, 0]]  # bars read from right to left: what is below is said to be above
    is_gs1 = found.content_type == zxingcpp.ContentType.GS1
    # zxing-cpp gives UPC as EAN, with a digit in front that nobody prints
    text = found.text[1:] if name in _UPC and len(found.text) == _EAN_DIGITS else found.text
    return Code(text, name, found.bytes, is_gs1, corners)
