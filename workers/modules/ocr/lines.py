"""Where the lines of a box are: its ink against a background that is not even, straightened, and cut row by row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from workers.context.placement import Matrix

Grey = NDArray[np.uint8]
_Signed = NDArray[np.float32]
_Mask = NDArray[np.uint8]

_LEAST_SIDE_PX = 6
_MOST_LINES = 40
_SKEW_WIDE_PX = 400
_SKEWS = tuple(math.tan(math.radians(degrees / 2)) for degrees in range(-16, 17))
_SKEW_ASPECT = 3.0  # what is not longer than so many letters are high has no direction of its own
_SKEW_GAIN = 1.08
_LOWEST_SHARE = 0.35  # of the tallest line's height; what is lower is a speck, or a part of something else
_MARGIN = 0.22  # around a line, of its height
_LIGHT, _DARK = 225.0, 25.0  # the levels of paper and ink that are read
_INK = 0.4  # of the contrast from which a pixel is ink
_NOISE_PX = 0.8  # sigma by which noise is smoothed
_SPECK_SHARE = 0.02  # of a letter's area; what is smaller is no print
_DOTS_LEAST = 18
_DOTS_SPREAD = 0.5


@dataclass(frozen=True, slots=True)
class Line:
    """A line, dark on light and upright: `grey` (h, w), and the matrix, (3, 3), that takes it to the box's picture.

    `ink` is its ink alone in px of `grey`: left, top, right, lower.
    """

    grey: Grey
    matrix: Matrix
    ink: tuple[float, float, float, float]


def find_lines(grey: Grey, ink: str, wanted: int | None) -> tuple[list[Line], bool]:
    """Return the lines in `grey`, (h, w), from above, and whether they are printed in dots.

    `ink` is "dark", "light" or "auto"; `wanted` how many there are, if somebody knows. Where no ink is found the whole
    is one line.
    """
    height, width = grey.shape
    if min(height, width) < _LEAST_SIDE_PX:
        return [], False
    level = _levelled(grey, ink)
    print_ = np.asarray(np.clip(_LIGHT - (_LIGHT - _DARK) * level, 0, 255), np.uint8)
    mask, dotted = _ink(level)
    if not mask.any():
        return [Line(print_, np.eye(3), (0.0, 0.0, float(width), float(height)))], False
    slope = _skew(mask)
    if slope:
        print_, mask = _straightened(print_, slope), _straightened(mask, slope)
    undone: Matrix = np.array([[1, 0, 0], [slope, 1, -slope * width / 2], [0, 0, 1]], np.float64)
    rows = _rows(mask, wanted)
    return [_line(print_, mask, top, lower, undone) for top, lower in rows], dotted


def whole_line(grey: Grey) -> Line:
    """Return all of `grey`, (h, w), as one line, with no more done to it than contrast."""
    low, high = np.percentile(grey, (1, 99))
    stretched = np.clip((grey - low) * (255 / max(float(high - low), 8.0)), 0, 255).astype(np.uint8)
    return Line(stretched, np.eye(3), (0.0, 0.0, float(grey.shape[1]), float(grey.shape[0])))


def _levelled(grey: Grey, ink: str) -> _Signed:
    """Return `grey`, (h, w), as 0 where there is none of the ink and 1 where there is most, the light taken out."""
    height = grey.shape[0]
    fine = np.asarray(cv2.GaussianBlur(grey, (0, 0), _NOISE_PX), np.float32)
    background = np.asarray(cv2.medianBlur(cv2.resize(grey, (64, 32), interpolation=cv2.INTER_AREA), 21), np.float32)
    around = cv2.resize(background, (grey.shape[1], height), interpolation=cv2.INTER_CUBIC)
    apart = fine - around
    if ink == "auto":
        low, high = np.percentile(apart, (2, 98))
        ink = "dark" if -low >= high else "light"
    apart = -apart if ink == "dark" else apart
    none, most = np.percentile(apart, (30, 99))
    return np.asarray((apart - none) / max(float(most - none), 4.0), np.float32)


def _ink(level: _Signed) -> tuple[_Mask, bool]:
    """Return where ink is, (h, w), 255, dots of a printer joined, and whether there were some."""
    mask = np.asarray((level > _INK) * np.uint8(255), np.uint8)
    height, width = mask.shape
    count, labels, found, _ = cv2.connectedComponentsWithStats(mask)
    stats = np.asarray(found, np.int32)
    areas = stats[:, cv2.CC_STAT_AREA]
    kept = ~_frames(stats, height, width)
    kept[0] = False
    letters = np.sort(areas[kept])[-max(1, count // 8) :]
    kept &= areas >= max(3.0, _SPECK_SHARE * float(letters.mean())) if len(letters) else kept
    pitch = _dots(stats[kept])
    mask = np.asarray(kept[labels] * np.uint8(255), np.uint8)
    if pitch:
        side = max(3, round(pitch * 1.3) | 1)
        mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8)), np.uint8)
    return mask, bool(pitch)


def _frames(stats: NDArray[np.int32], height: int, width: int) -> NDArray[np.bool_]:
    """Tell of each piece whether it is no letter: what comes in from beside the box, a frame, a rule."""
    left, top, wide, tall, area = (stats[:, each] for each in range(5))
    touching = (left == 0) | (top == 0) | (left + wide == width) | (top + tall == height)
    beside = touching & ((wide > 0.6 * width) | (tall > 0.95 * height))
    frame = (wide > 0.6 * width) & (tall > 0.5 * height) & (area < 0.3 * wide * tall)
    rule = (wide > 0.3 * width) & (wide > 12 * tall)
    return np.asarray(beside | frame | rule, bool)


def _dots(stats: NDArray[np.int32]) -> float:
    """Return the distance of dots, px, where pieces are many, round, and of one size; else 0."""
    if len(stats) < _DOTS_LEAST:
        return 0.0
    wide, tall, area = (stats[:, each].astype(np.float64) for each in (2, 3, 4))
    low, size, high = np.percentile(area, (25, 50, 75))
    share = area / (wide * tall)
    round_ = (np.abs(wide - tall) <= 0.3 * np.maximum(wide, tall) + 1) & (share > 0.55)
    if round_.mean() < 0.7 or (high - low) > _DOTS_SPREAD * size + 2:
        return 0.0
    middle = stats[:, :2] + stats[:, 2:4] / 2
    some = middle[:: max(1, len(middle) // 200)]
    away = np.abs(some[:, None] - middle[None])
    nearest = np.partition(np.hypot(away[..., 0], away[..., 1]), 1, axis=1)[:, 1]
    pitch = float(np.median(nearest))
    # dots stand over each other in their distance, and are five rows high at least; letters are that far apart in a row
    over = (away[..., 0] < 0.4 * pitch) & (np.abs(away[..., 1] - pitch) < 0.4 * pitch)
    return pitch if over.any(axis=1).mean() > 0.4 and np.ptp(middle[:, 1]) > 4 * pitch else 0.0


def _skew(mask: _Mask) -> float:
    """Return the slope, px down for each px to the right, at which rows are told apart best; 0 if none is better."""
    y, x = np.nonzero(mask)
    if not len(x) or np.ptp(x) < _SKEW_ASPECT * 10:
        return 0.0
    scale = min(1.0, _SKEW_WIDE_PX / mask.shape[1])
    small = np.asarray(cv2.resize(mask, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    y, x = np.nonzero(small > 96)
    if len(x) < 20 or np.ptp(x) < _SKEW_ASPECT * _usual_height(small):
        return 0.0
    away = x - small.shape[1] / 2
    offset = small.shape[1]
    sharp = [
        float((np.bincount((y - slope * away + offset).astype(np.intp)).astype(np.float64) ** 2).sum())
        for slope in _SKEWS
    ]
    best = int(np.argmax(sharp))
    level = len(_SKEWS) // 2
    return _SKEWS[best] if sharp[best] > _SKEW_GAIN * sharp[level] else 0.0


def _usual_height(mask: _Mask) -> float:
    stats = cv2.connectedComponentsWithStats(np.asarray((mask > 96) * np.uint8(255), np.uint8))[2][1:]
    return float(np.percentile(stats[:, cv2.CC_STAT_HEIGHT], 75)) if len(stats) else 1.0


def _straightened(image: Grey, slope: float) -> Grey:
    """Return `image`, (h, w), with columns moved up by the slope."""
    height, width = image.shape
    matrix = np.array([[1, 0, 0], [slope, 1, -slope * width / 2]], np.float64)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE))


def _rows(mask: _Mask, wanted: int | None) -> list[tuple[int, int]]:
    """Return the first row and the one behind the last of each line, from above."""
    ink = np.count_nonzero(mask, axis=1)
    runs = _runs(ink > max(1.0, 0.04 * float(np.percentile(ink, 95))))
    runs = _joined(runs)
    tallest = max((lower - top for top, lower in runs), default=0)
    height = mask.shape[0]
    kept = [
        (top, lower)
        for top, lower in runs
        if lower - top >= (0.6 if top == 0 or lower == height else _LOWEST_SHARE) * tallest
    ]
    if wanted is not None and len(kept) > wanted:
        kept = sorted(kept, key=lambda run: -int(ink[run[0] : run[1]].sum()))[:wanted]
    return sorted(kept)[:_MOST_LINES]


def _runs(there: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def _joined(runs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return `runs` with what belongs to a line's letters put to it: dots above them, tails."""
    joined: list[tuple[int, int]] = []
    for top, lower in runs:
        if joined:
            before_top, before_lower = joined[-1]
            low, tall = sorted((before_lower - before_top, lower - top))
            if top - before_lower <= 0.3 * tall and low < 0.5 * tall:
                joined[-1] = (before_top, lower)
                continue
        joined.append((top, lower))
    return joined


def _line(print_: Grey, mask: _Mask, top: int, lower: int, undone: Matrix) -> Line:
    """Return the line in rows `top` to `lower` of `print_`, (h, w), whose ink is `mask`, (h, w)."""
    columns = np.flatnonzero(mask[top:lower].any(axis=0))
    first, last = int(columns[0]), int(columns[-1]) + 1
    margin = max(2, round(_MARGIN * (lower - top)))
    left, upper = max(0, first - 2 * margin), max(0, top - margin)
    right, under = min(print_.shape[1], last + 2 * margin), min(print_.shape[0], lower + margin)
    place: Matrix = np.array([[1, 0, left], [0, 1, upper], [0, 0, 1]], np.float64)
    ink = (float(first - left), float(top - upper), float(last - left), float(lower - upper))
    return Line(np.ascontiguousarray(print_[upper:under, left:right]), undone @ place, ink)
