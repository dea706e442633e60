"""Memory for decoded frames that is kept from one frame to the next."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LARGEST_KEPT_BYTES = 64 << 20  # 20 megapixels of BGR; a single huge file must not hold its memory for ever


class Scratch:
    """Memory kept from frame to frame, so that none pays the page faults of fresh memory, whatever malloc does.

    It grows to the largest frame seen, up to 64 MiB for each name, and never shrinks. One per worker; not for threads.
    """

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[np.uint8]] = {}

    def array(self, name: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Return a contiguous array of `shape`, its content undefined; the next call with this `name` reuses it."""
        size = math.prod(shape)
        if size > _LARGEST_KEPT_BYTES:
            return np.empty(shape, np.uint8)
        kept = self._kept.get(name)
        if kept is None or kept.size < size:
            kept = self._kept[name] = np.empty(size, np.uint8)
        return kept[:size].reshape(shape)

    def words(self, name: str, shape: tuple[int, ...]) -> NDArray[np.uint16]:
        """Return the like of `array`, of `shape`, uint16."""
        return self.array(name, (2 * math.prod(shape),)).view(np.uint16).reshape(shape)
