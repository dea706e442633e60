"""The shape of blobs, by their outlines: how long, how round, how solid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from workers.context.run import LookAtTime
    from workers.modules.blobs.options import BlobsOptions

_Outline = NDArray[np.int32]


def asks_for_shape(options: BlobsOptions) -> bool:
    """Tell whether outlines are needed at all."""
    limits = (
        options.elongation_min, options.elongation_max, options.roundness_min, options.roundness_max,
        options.solidity_min, options.solidity_max,
    )  # fmt: skip
    return any(limit is not None for limit in limits)


def shaped(
    labels: NDArray[np.int32],
    binary: NDArray[np.uint8],
    options: BlobsOptions,
    rows: NDArray[np.int32],
    look_at_time: LookAtTime,
) -> list[int]:
    """Return which of `rows` have a shape between the limits, as positions in `rows`, in their order.

    `rows` are (n, 6) int32: x, y, width, height, area in px, and the label; `labels`, int32, and `binary`, uint8, are
    (h, w), 0 outside of all.
    """
    outlines = _outlines(labels, binary)
    fitting = []
    for position, (_, _, _, _, area, label) in enumerate(rows.tolist()):
        look_at_time()
        if _fits(outlines[label], area, options):
            fitting.append(position)
    return fitting


def _outlines(labels: NDArray[np.int32], binary: NDArray[np.uint8]) -> dict[int, _Outline]:
    """Return the outer outline of each label: pixel centres, (n, 1, 2) int32; all are found in one pass."""
    contours, hierarchy = cv2.findContours(binary, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    found: dict[int, _Outline] = {}
    for contour, (_, _, _, parent) in zip(contours, hierarchy[0].tolist(), strict=True):
        if parent < 0:  # else it is the outline of a hole
            x, y = contour[0, 0].tolist()
            found[int(labels[y, x])] = contour  # type: ignore[assignment]  # int32, as OpenCV has it
    return found


def _fits(outline: _Outline, area: int, options: BlobsOptions) -> bool:
    return (
        _between(elongation(outline), options.elongation_min, options.elongation_max)
        and _between(roundness(outline, area), options.roundness_min, options.roundness_max)
        and _between(solidity(outline, area), options.solidity_min, options.solidity_max)
    )


def _between(value: float, least: float | None, most: float | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)


def elongation(outline: _Outline) -> float:
    """Return the longer by the shorter side of the smallest box around `outline`, turned as it must be; 1 or more.

    `outline` is (n, 1, 2) int32, as from OpenCV: x and y in px of the pixels at the edge.
    """
    _, sides, _ = cv2.minAreaRect(outline)
    return (max(sides) + 1) / (min(sides) + 1)  # from centres of pixels to their edges


def roundness(outline: _Outline, area_px: int) -> float:
    """Return which share of the smallest circle around `outline`, (n, 1, 2), a blob of `area_px` fills; 1 at most."""
    _, radius = cv2.minEnclosingCircle(outline)
    return min(area_px / (np.pi * (radius + 0.5) ** 2), 1.0)


def solidity(outline: _Outline, area_px: int) -> float:
    """Return which share of the pixels in the convex hull of its `outline`, (n, 1, 2), a blob of `area_px` has.

    They are counted by Pick's theorem; what is convex, as far as pixels can be, has all of them.
    """
    hull = cv2.convexHull(outline)[:, 0]
    on_edges = int(np.gcd(*(hull - np.roll(hull, 1, axis=0)).T).sum())
    return area_px / (cv2.contourArea(hull) + on_edges / 2 + 1)
