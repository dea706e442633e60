"""A picture of what is where: the class of each pixel, and how sure that is; pieces of it become rectangles."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.context.rectangles import color_of
from workers.modules.models.shown import View

if TYPE_CHECKING:
    from workers.context.run import LookAtTime

NOTHING = -1


class Piece(NamedTuple):
    """Pixels of one class that belong together; the box around them in px of the image."""

    box: View
    area_px: int
    confidence: float
    number: int


class Surface:
    """What is where in a part of an image: `number` and `sure` are (height, width), int16 and float32."""

    def __init__(self, part: View) -> None:
        """All of the part is nothing."""
        self._part = part
        self.number: NDArray[np.int16] = np.full((part.height, part.width), NOTHING, np.int16)
        self.sure: NDArray[np.float32] = np.zeros((part.height, part.width), np.float32)

    def put(self, box: View, number: NDArray[np.int16] | int, sure: NDArray[np.float32]) -> None:
        """Put what was found in a box of the image there, where it is surer than what is there; 0 is nothing.

        `number`, one for all or (height, width) int16, and `sure`, float32, are of the box.
        """
        rows = slice(box.y - self._part.y, box.y - self._part.y + box.height)
        columns = slice(box.x - self._part.x, box.x - self._part.x + box.width)
        better = sure > self.sure[rows, columns]
        self.sure[rows, columns][better] = sure[better]
        self.number[rows, columns][better] = number if isinstance(number, int) else number[better]

    def pieces(self, area_min_px: int, look_at_time: LookAtTime) -> list[Piece]:
        """Return the pieces of at least that area, the largest first; those that are smaller become nothing."""
        found: list[Piece] = []
        for number in np.unique(self.number).tolist():
            if number == NOTHING:
                continue
            look_at_time()
            there = (self.number == number).astype(np.uint8)
            _, labels, rows, _ = cv2.connectedComponentsWithStats(there, connectivity=8, ltype=cv2.CV_32S)
            small = rows[:, cv2.CC_STAT_AREA] < area_min_px
            if small[1:].any():
                small[0] = False
                gone = small[labels]
                self.number[gone], self.sure[gone] = NOTHING, 0
            means = np.bincount(labels.ravel(), self.sure.ravel(), len(rows)) / np.maximum(rows[:, cv2.CC_STAT_AREA], 1)
            for at in np.flatnonzero(~small).tolist():
                if at:
                    x, y, width, height, area_px = rows[at].tolist()
                    box = View(x + self._part.x, y + self._part.y, width, height)
                    found.append(Piece(box, area_px, float(means[at]), number))
        return sorted(found, key=lambda piece: -piece.area_px)

    def classes(self, label: Callable[[int], str]) -> list[dict[str, Any]]:
        """Return the classes that are somewhere, for `surfaceClasses`: with area and share of the part."""
        made = []
        for number in np.unique(self.number).tolist():
            if number != NOTHING:
                there = self.number == number
                area_px = int(np.count_nonzero(there))
                color, color_bgr = color_of(number)
                made.append(
                    {
                        "id": number,
                        "label": label(number),
                        "confidence": round(float(self.sure[there].mean()), 4),
                        "area": float(area_px),
                        "share_percent": round(100 * area_px / there.size, 4),
                        "color": color,
                        "color_bgr": color_bgr,
                    }
                )
        return made

    def heat(self, shape: tuple[int, int], cold: set[int]) -> NDArray[np.float32]:
        """Return how sure each pixel of an image (h, w) is something that is not `cold`: float32 in 0..1."""
        heat = np.zeros(shape, np.float32)
        part = self._part
        window = heat[part.y : part.y + part.height, part.x : part.x + part.width]
        np.copyto(window, self.sure)
        if cold:
            window[np.isin(self.number, list(cold))] = 0
        return heat
