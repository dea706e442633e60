"""Brightness along paths across an edge: each is a caliper, averaged over its width.

    start o--------|--------> end      a path; what lies beside it within half of the width is averaged
                   |
                   v                   `across`: where start -> end points to the right, it points down

Samples lie half a pixel apart, along and across, and are interpolated between pixels. So whatever the angle of a path
and wherever it lies between the pixels, an edge is found in the same place to within some thousandths of a pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.errors import ProjectInvalid
from workers.modules.region import RegionOutside

STEP_PX = 0.5
_MOST_SAMPLES = 16_000_000  # of a tool: 128 MB of places
_NEARLY = 1e-6
_MOST_AT_ONCE = 32_000  # rows and columns of a map: OpenCV's remap takes no more


@dataclass(frozen=True, slots=True)
class Calipers:
    """Some calipers of one size: `starts` (n, 2) px, `along` (n, 2) unit vectors from start to end.

    Around a `centre`, (2,) px, they are pieces of a ring: strips side by side would see a round edge as a blurred one
    that lies too far inside. `width_px` is then that of the middle.
    """

    starts: NDArray[np.float64]
    along: NDArray[np.float64]
    length_px: float
    width_px: float
    centre: NDArray[np.float64] | None = None

    @property
    def across(self) -> NDArray[np.float64]:
        """Unit vectors, (n, 2), clockwise of `along` as one looks at the picture."""
        return np.stack([-self.along[:, 1], self.along[:, 0]], axis=1)

    def at(self, positions: NDArray[np.float64], rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the points, (n, 2) px, that lie `positions` px from the starts of the calipers `rows`."""
        found: NDArray[np.float64] = self.starts[rows] + positions[:, None] * self.along[rows]
        return found

    def rays(self, rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return starts and unit vectors of `rows` parallel or spreading paths in each, both (n, rows, 2)."""
        beside = (np.arange(rows) - (rows - 1) / 2) * (self.width_px / rows)
        if self.centre is None:
            starts = self.starts[:, None] + self.across[:, None] * beside[None, :, None]
            return starts, np.broadcast_to(self.along[:, None], starts.shape)
        inner = float(np.hypot(*(self.starts[0] - self.centre)))
        turns = beside / (inner + self.length_px / 2)
        along = self.along[:, None] * np.cos(turns)[:, None] + self.across[:, None] * np.sin(turns)[:, None]
        return self.centre + along * inner, along


@dataclass(frozen=True, slots=True)
class Profiles:
    """Levels along calipers, (n, m) float64: the first sample is `first_px` from the start, others STEP_PX apart."""

    levels: NDArray[np.float64]
    first_px: float
    length_px: float


class Sampler:
    """Where calipers look, worked out once; `name` is their tool's, for messages.

    At both ends `margin_px` more is looked at. `apart_px` lie between samples across a caliper.
    """

    def __init__(self, calipers: Calipers, margin_px: float, apart_px: float, name: str) -> None:
        self._name, self._length_px = name, calipers.length_px
        steps = math.ceil(calipers.length_px / STEP_PX) + 2 * math.ceil(margin_px / STEP_PX)
        rows = max(1, round(calipers.width_px / apart_px))
        if steps > _MOST_AT_ONCE or len(calipers.starts) * rows * steps > _MOST_SAMPLES:
            msg = f"{name}: its calipers are too many and too large; expected fewer, shorter or narrower ones"
            raise ProjectInvalid(msg)
        self._first_px = (calipers.length_px - (steps - 1) * STEP_PX) / 2
        ends = np.concatenate([calipers.starts, calipers.starts + calipers.along * calipers.length_px])
        self._reach = (*ends.min(axis=0).tolist(), *ends.max(axis=0).tolist())
        starts, along = calipers.rays(rows)
        ahead = self._first_px + np.arange(steps) * STEP_PX
        # each coordinate of (n, rows, steps) samples, the centre of the upper left pixel being (0, 0)
        x, y = (starts[..., axis, None] - 0.5 + along[..., axis, None] * ahead for axis in (0, 1))
        self._shape = x.shape
        self._left, self._top = math.floor(x.min()), math.floor(y.min())
        self._right, self._bottom = math.floor(x.max()) + 2, math.floor(y.max()) + 2
        # places within the box of all of them
        self._x = (x - self._left).astype(np.float32).reshape(-1, steps)
        self._y = (y - self._top).astype(np.float32).reshape(-1, steps)

    def profiles(self, image: NDArray[np.uint8]) -> Profiles:
        """Return brightness along the calipers in `image`, (h, w) or (h, w, 3) BGR; beyond it its border goes on.

        Raises RegionOutside where a caliper itself is not all inside.
        """
        height, width = image.shape[:2]
        self._check_inside(height, width)
        left, top = max(0, self._left), max(0, self._top)
        part = image[top : min(height, self._bottom), left : min(width, self._right)]
        grey = part if part.ndim == 2 else cv2.cvtColor(part, cv2.COLOR_BGR2GRAY)
        levels = np.asarray(grey, np.float32)  # so that what is interpolated is not rounded
        x = self._x if left == self._left else self._x + np.float32(self._left - left)
        y = self._y if top == self._top else self._y + np.float32(self._top - top)
        pieces = [
            cv2.remap(levels, x[row:below], y[row:below], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for row, below in ((row, row + _MOST_AT_ONCE) for row in range(0, len(x), _MOST_AT_ONCE))
        ]
        sampled = np.concatenate(pieces) if len(pieces) > 1 else pieces[0]
        means = sampled.reshape(self._shape).mean(axis=1, dtype=np.float64)
        return Profiles(means, self._first_px, self._length_px)

    def _check_inside(self, height: int, width: int) -> None:
        left, top, right, bottom = self._reach
        if left < -_NEARLY or top < -_NEARLY or right > width + _NEARLY or bottom > height + _NEARLY:
            msg = (
                f"{self._name}: the search reaches from x = {left:.4g}, y = {top:.4g} to x = {right:.4g}, "
                f"y = {bottom:.4g} px; expected inside the image, {width} x {height} px"
            )
            raise RegionOutside(msg)
