"""Boxes that a model has found, and which of several that lie over each other is kept."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]

USUAL_OVERLAP = 0.5
MOST_CANDIDATES = 3000  # the surest are looked at


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes: `corners` are (n, 4) x0, y0, x1, y1; `confidence` (n,), `label` (n,) numbers of classes.

    `more` is (n, m), what belongs to a box beside that: coefficients of masks, or its number in the model's output.
    """

    corners: Floats
    confidence: Floats
    label: Numbers
    more: Floats

    @classmethod
    def none(cls) -> Boxes:
        """Return no boxes."""
        nothing = np.empty((0, 4), np.float32)
        return cls(nothing, nothing[:, 0], np.empty(0, np.int64), nothing[:, :0])

    def __len__(self) -> int:
        return len(self.confidence)

    def at(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> Boxes:
        """Return some of them: `which` are (n,), true or false for each, or numbers."""
        return Boxes(self.corners[which], self.confidence[which], self.label[which], self.more[which])

    def placed(self, corners: Floats) -> Boxes:
        """Return them with other corners, (n, 4), without those that have no area there."""
        moved = Boxes(corners, self.confidence, self.label, self.more)
        return moved.at((corners[:, 2] > corners[:, 0]) & (corners[:, 3] > corners[:, 1]))

    def surest(self, most: int) -> Boxes:
        """Return the surest, the first one first."""
        return self.at(np.argsort(-self.confidence, kind="stable")[:most])

    def apart(self, overlap: float) -> Boxes:
        """Return, the surest first, those that lie over no surer one of their label by more than `overlap`.

        That is the share of what both cover together (intersection over union).
        """
        boxes = self.surest(MOST_CANDIDATES)
        corners, sizes = boxes.corners[:, :2], boxes.corners[:, 2:] - boxes.corners[:, :2]
        placed = np.concatenate([corners, sizes], axis=1, dtype=np.float64)
        kept = cv2.dnn.NMSBoxesBatched(placed, boxes.confidence, boxes.label.astype(np.int32), 0.0, overlap)  # type: ignore[arg-type]  # arrays will do
        return boxes.at(np.asarray(kept, np.intp))


def usual(overlap: float | None) -> float:
    """Return the option `overlap`, or what it is where it is left out."""
    return USUAL_OVERLAP if overlap is None else overlap


def joined(parts: list[Boxes]) -> Boxes:
    """Return the boxes of several as one."""
    some = [part for part in parts if len(part)]
    if not some:
        return Boxes.none()
    return Boxes(
        np.concatenate([part.corners for part in some]),
        np.concatenate([part.confidence for part in some]),
        np.concatenate([part.label for part in some]),
        np.concatenate([part.more for part in some]),
    )


def shared_px(corners: Floats, others: Floats) -> Floats:
    """Return how much of each of `others`, (n, 4), the box `corners`, (4,), covers: (n,) in px."""
    width = np.minimum(corners[2], others[:, 2]) - np.maximum(corners[0], others[:, 0])
    height = np.minimum(corners[3], others[:, 3]) - np.maximum(corners[1], others[:, 1])
    area: Floats = np.maximum(width, 0) * np.maximum(height, 0)
    return area


def areas_px(corners: Floats) -> Floats:
    """Return the areas of boxes, (n, 4), in px: (n,)."""
    area: Floats = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    return area
