"""What a detected rectangle of the context looks like: its place in the image, its colour and its text.

User code writes rectangles too, with few fields and odd values, so nothing here raises: a field that is
missing or makes no sense gets a stand-in, and a rectangle without a place in the image has no look.

`x`, `y`, `width`, `height` are px with the top-left corner at `x`, `y`. `rotate` turns the rectangle about
its centre, in degrees, clockwise on the screen. No source says what PEKAT VISION means by it (its SDK's own
drawing ignores it); this is what `cv2.boxPoints` does with its angle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workers.context.placement import corners_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEFAULT_COLOR_BGR = (0, 0, 255)  # red, as in draw_rectangles of the vendor's SDK
_LONGEST_LABEL = 48
_FARTHEST_PX = 1e6  # beyond any image, and small enough for all arithmetic on int32

Color = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A rectangle ready to be drawn.

    `corners` is (4, 2) int32, the pixels of the outline; `left, top, right, bottom` is the box around them
    inside the image, in px, the last two exclusive; `upright` says that the outline runs along rows and
    columns.
    """

    corners: NDArray[np.int32]
    left: int
    top: int
    right: int
    bottom: int
    upright: bool
    color_bgr: tuple[int, int, int]
    label: str
    percent: str


def read_look(rectangle: Mapping[str, Any], height: int, width: int) -> Look | None:
    """Read `rectangle` for an image of `height` by `width` px; None where no part of it can be drawn."""
    if not isinstance(rectangle, Mapping):
        return None
    corners = _corners(rectangle)
    if corners is None:
        return None
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    if left >= width or top >= height or right <= 0 or bottom <= 0:
        return None
    upright = bool((number(rectangle.get("rotate")) or 0.0) % 90 == 0)
    outline = _upright_outline(corners, height, width) if upright else np.rint(corners).astype(np.int32)
    box_left, box_top = np.maximum(outline.min(axis=0), 0).tolist()
    box_right, box_bottom = np.minimum(outline.max(axis=0) + 1, (width, height)).tolist()
    winner = _winner(rectangle)
    return Look(
        outline, box_left, box_top, box_right, box_bottom, upright,
        color_bgr=_color_bgr(winner),
        label=printable_label(winner.get("label")),
        percent=_percent(rectangle.get("confidence", winner.get("confidence"))),
    )  # fmt: skip


def _corners(rectangle: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """Return the corners, (4, 2) px in drawing order, or None where one of the four numbers is missing."""
    numbers = [number(rectangle.get(name)) for name in ("x", "y", "width", "height")]
    if any(number is None for number in numbers):
        return None
    x, y, width, height = (number or 0.0 for number in numbers)
    return corners_of(x, y, width, height, number(rectangle.get("rotate")) or 0.0)


def _upright_outline(corners: NDArray[np.float64], height: int, width: int) -> NDArray[np.int32]:
    """Put the outline on the pixels just outside the rectangle, or on the image's edge if it goes beyond."""
    last = np.array([width - 1, height - 1])
    left, top = np.clip(np.rint(corners.min(axis=0)) - 1, 0, last).astype(np.int32)
    right, bottom = np.clip(np.rint(corners.max(axis=0)), 0, last).astype(np.int32)
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.int32)


def number(value: object) -> float | None:
    """Return `value` as a number that can be drawn by, or None."""
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever user code put there
    except (TypeError, ValueError, OverflowError):
        return None
    return max(-_FARTHEST_PX, min(number, _FARTHEST_PX)) if math.isfinite(number) else None


def _winner(rectangle: Mapping[str, Any]) -> Mapping[str, Any]:
    names = rectangle.get("classNames")
    if isinstance(names, Sequence) and names and isinstance(names[0], Mapping):
        return names[0]
    return {}


def _color_bgr(winner: Mapping[str, Any]) -> tuple[int, int, int]:
    text = winner.get("color")
    if isinstance(text, str) and len(text) == 7 and text.startswith("#"):
        try:
            red, green, blue = bytes.fromhex(text[1:])
        except ValueError:
            return DEFAULT_COLOR_BGR
        return blue, green, red
    levels = winner.get("color_bgr")
    numbers = [number(level) for level in levels] if isinstance(levels, Sequence) else []
    if len(numbers) != 3 or any(number is None for number in numbers):
        return DEFAULT_COLOR_BGR
    blue, green, red = (round(max(0.0, min(number or 0.0, 255.0))) for number in numbers)
    return blue, green, red


def printable_label(label: object) -> str:
    """Return `label` in one line of printable characters: cv2.putText dies of SIGSEGV on a lone surrogate."""
    if label is None:
        return ""
    text = str(label)[: 4 * _LONGEST_LABEL]
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return shown if len(shown) <= _LONGEST_LABEL else shown[: _LONGEST_LABEL - 1] + "…"


def _percent(confidence: object) -> str:
    """Return `confidence` of 0..1 as per cent, a larger one as the per cent that it must be, "" for none."""
    share = number(confidence)
    if share is None:
        return ""
    return f"{share * 100 if share <= 1 else share:.0f} %"
