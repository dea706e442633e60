"""From hot pixels to defects: those that lie close together are one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.modules.reference.planes.heat import HEAT_THRESHOLD
from workers.modules.reference.planes.patches import Numbers, owners

_Levels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Hot:
    """Hot pixels: where, their heat of 255, and by how many levels they are brighter, darker or tinted; (n,) each."""

    y: Numbers
    x: Numbers
    heat: _Levels
    brighter: _Levels
    darker: _Levels
    tinted: _Levels

    @classmethod
    def together(cls, parts: list[Hot], width: int) -> Hot:
        """Return all pixels of several, each once; where two have it, as the first has."""
        if len(parts) == 1:
            return parts[0]
        together = cls(*(np.concatenate(columns) for columns in zip(*(part.columns for part in parts), strict=True)))
        _, first = np.unique(together.y * width + together.x, return_index=True)
        return together.chosen(first)

    @property
    def columns(self) -> tuple[NDArray[Any], ...]:
        """All that is known of the pixels, (n,) each, in the order of the fields."""
        return self.y, self.x, self.heat, self.brighter, self.darker, self.tinted

    def chosen(self, which: Numbers | NDArray[np.bool_]) -> Hot:
        """Return some of these pixels: `which` are their numbers, (k,), or says it of each, (n,) bool."""
        return Hot(*(column[which] for column in self.columns))


@dataclass(frozen=True, slots=True)
class Blob:
    """One defect: bounding box and area in px, mean heat in 0..1, and by how many levels it is what, on average."""

    x: int
    y: int
    width: int
    height: int
    area_px: int
    heat: float
    brighter: float
    darker: float
    tinted: float


def find_blobs(hot: Hot, min_area_px: int) -> tuple[list[Blob], Hot]:
    """Return the defects of a frame, top to bottom by their first row of cells, then left to right; and all pixels.

    What is smaller than `min_area_px` is none: its heat is below the threshold then, in proportion to its area.
    """
    owner = owners(hot.y, hot.x)
    area = np.bincount(owner)
    count = area.size
    levels = (hot.heat, hot.brighter, hot.darker, hot.tinted)
    means = np.stack([np.bincount(owner, seen, count) for seen in levels]) / area
    left, top = (_lowest(values, owner, count) for values in (hot.x, hot.y))
    right, bottom = (-_lowest(-values, owner, count) for values in (hot.x, hot.y))
    small = area < min_area_px
    boxes = np.stack((left, top, right - left + 1, bottom - top + 1, area), axis=1)
    blobs = [
        Blob(x, y, width, height, size, heat / 255, brighter, darker, tinted)
        for (x, y, width, height, size), (heat, brighter, darker, tinted) in zip(
            boxes[~small].tolist(), means.T[~small].tolist(), strict=True
        )
    ]
    lowered = np.where(small, (HEAT_THRESHOLD - 1) * area // min_area_px, 255)[owner]
    return blobs, replace(hot, heat=np.minimum(hot.heat, lowered).astype(np.uint8))


def as_one(hot: Hot) -> Blob:
    """Return one blob of all that is hot."""
    x, y = int(hot.x.min()), int(hot.y.min())
    width, height = int(hot.x.max()) - x + 1, int(hot.y.max()) - y + 1
    heat, *levels = (float(seen.mean()) for seen in (hot.heat, hot.brighter, hot.darker, hot.tinted))
    return Blob(x, y, width, height, hot.y.size, heat / 255, *levels)


def _lowest(values: Numbers, owner: Numbers, count: int) -> Numbers:
    """Return the lowest of the values of each owner, of whom all have one."""
    lowest = np.full(count, np.iinfo(values.dtype).max, values.dtype)
    np.minimum.at(lowest, owner, values)
    return lowest
