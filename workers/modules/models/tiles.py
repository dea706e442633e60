"""Tiles: a large picture is looked at in parts that lie over each other; what a border has cut becomes one again."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from workers.modules.models.boxes import Boxes, areas_px, shared_px
from workers.modules.models.shown import View

_AT_BORDER_PX = 3  # how near to it a box ends that the border has cut
_ALIKE = 0.6  # share by which two parts of one object agree along the border
_INSIDE = 0.7  # share of the smaller box that lies in the larger one: the same object, seen in part
_SEEN_WHOLE = 0.5  # the same, where another tile has seen all of it


def tiles_of(view: View, tile_px: int, overlap_px: int) -> list[View]:
    """Return the tiles of a view: of that size, or smaller where the view is; the last ones end where it does."""
    lefts = _begins(view.width, tile_px, overlap_px)
    tops = _begins(view.height, tile_px, overlap_px)
    width, height = min(tile_px, view.width), min(tile_px, view.height)
    return [View(view.x + left, view.y + top, width, height) for top in tops for left in lefts]


def _begins(side_px: int, tile_px: int, overlap_px: int) -> list[int]:
    if side_px <= tile_px:
        return [0]
    count = math.ceil((side_px - overlap_px) / (tile_px - overlap_px))
    return [round(number * (side_px - tile_px) / (count - 1)) for number in range(count)]


def cut_at(boxes: Boxes, tile: View, whole: View) -> NDArray[np.bool_]:
    """Tell of each box, in px of the image, whether it ends at a border of its tile within the picture: (n,)."""
    corners = boxes.corners
    borders = (tile.x, tile.y, tile.x + tile.width, tile.y + tile.height)
    ends = (whole.x, whole.y, whole.x + whole.width, whole.y + whole.height)
    cut = np.zeros(len(boxes), bool)
    for side, (border, end) in enumerate(zip(borders, ends, strict=True)):
        if border != end:
            cut |= np.abs(corners[:, side] - border) <= _AT_BORDER_PX
    return cut


def mended(boxes: Boxes, cut: NDArray[np.bool_], tile: NDArray[np.intp]) -> Boxes:
    """Return boxes with those made one that are of one object; `cut` and `tile`, the tiles' numbers, are (n,).

    A box that a border has cut goes where another tile saw the object whole. Where none did, parts of a label are one
    if the smaller lies in the larger, or they are at the same height or width; the surest has the name, and it grows.
    """
    if not cut.any():
        return boxes
    corners = boxes.corners.copy()
    gone = np.zeros(len(boxes), bool)
    for first in np.lexsort((-boxes.confidence, cut)):  # those that were seen whole come first
        again = not gone[first]
        while again:  # what has grown may touch the next part
            others = cut & ~gone & (boxes.label == boxes.label[first]) & (tile != tile[first])
            others[first] = False
            candidates = np.flatnonzero(others)
            common = shared_px(corners[first], corners[candidates])
            smaller = np.minimum(areas_px(corners[first][None]), areas_px(corners[candidates]))
            if not cut[first]:
                gone[candidates[common > _SEEN_WHOLE * smaller]] = True
                break
            one = (common > _INSIDE * smaller) | ((common > 0) & _level(corners[first], corners[candidates]))
            parts = candidates[one]
            again = bool(len(parts))
            if again:
                both = np.concatenate([corners[first][None], corners[parts]])
                corners[first] = [*both[:, :2].min(axis=0), *both[:, 2:].max(axis=0)]
                gone[parts] = True
    return Boxes(corners, boxes.confidence, boxes.label, boxes.more).at(~gone)


def _level(box: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell which of `others` are at the same height as `box`, or at the same width."""
    level = np.zeros(len(others), bool)
    for low, high in ((0, 2), (1, 3)):
        within = np.minimum(box[high], others[:, high]) - np.maximum(box[low], others[:, low])
        around = np.maximum(box[high], others[:, high]) - np.minimum(box[low], others[:, low])
        level |= within > _ALIKE * around
    return level
