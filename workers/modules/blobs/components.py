"""Connected pieces of a binary picture, with their boxes and areas.

OpenCV's own statistics ask for memory by the size of the picture at each call, which takes three times as long as the
labels; here they are counted along runs, the stretches of pixels in a row, of which there are few.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from workers.context.run import LookAtTime

_Numbers = NDArray[np.intp]


class Canvas:
    """Memory for one window, used again for each frame. `binary` is (h, w) uint8, 0 or 255; `labels` (h, w) int32.

    Behind each row of `binary`, and before the first, lies a 0 of its own, so that each run ends.
    """

    def __init__(self, height: int, width: int) -> None:
        self.shape = (height, width)
        self._flat = np.zeros(1 + height * (width + 1), np.uint8)
        self.binary = self._flat[1:].reshape(height, width + 1)[:, :width]
        self.labels = np.empty((height, width), np.int32)

    def components(self, look_at_time: LookAtTime) -> NDArray[np.int32]:
        """Label what is 255 in `binary` and return its pieces, (n, 6) int32: x, y, width, height, area in px, label.

        Pixels that touch, at a corner too, are one piece. They come top to bottom, then left to right, by their upper
        left corners. Without any, `labels` stays as it was.
        """
        ends = np.flatnonzero(self._flat[1:] != self._flat[:-1])
        if not ends.size:
            return np.empty((0, 6), np.int32)
        look_at_time()
        count, _ = cv2.connectedComponents(self.binary, self.labels, connectivity=8, ltype=cv2.CV_32S)
        look_at_time()
        row, first = np.divmod(ends[::2], self.shape[1] + 1)
        behind = first + ends[1::2] - ends[::2]
        owner = self.labels[row, first]
        area = np.bincount(owner, behind - first, count)
        left, top = _lowest(first, owner, count), _lowest(row, owner, count)
        right, bottom = -_lowest(-behind, owner, count), 1 - _lowest(-row, owner, count)
        table = np.stack((left, top, right - left, bottom - top, area, np.arange(count)), axis=1)
        pieces = table[1:].astype(np.int32)  # row 0 is what is no piece
        return pieces[np.lexsort((pieces[:, 0], pieces[:, 1]))]


def _lowest(values: _Numbers, owner: NDArray[np.int32], count: int) -> _Numbers:
    """Return the lowest of the values of each owner."""
    lowest = np.zeros(count, np.intp)
    lowest[owner] = np.iinfo(np.intp).max
    np.minimum.at(lowest, owner, values)
    return lowest
