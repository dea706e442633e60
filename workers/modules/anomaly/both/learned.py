"""The heat of `neighbours` and that of `filters` together, each in units of its own good places.

A surface that is another has no edge, and a fine scratch hardly a texture: they err at different places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from workers.modules.anomaly.filters import learned as filters
from workers.modules.anomaly.neighbours import neighbours

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from workers.context.run import LookAtTime
    from workers.modules.anomaly.filters.learned import Filters
    from workers.modules.anomaly.method import Learned, Pictures, Tell
    from workers.modules.anomaly.neighbours.neighbours import Neighbours

_NEIGHBOURS_SHARE = np.float32(0.35)  # of the heat; the rest is of filters, which tells where something is more sharply
_USUAL, _RARE = np.float32(1.0), np.float32(1.75)  # heat of neighbours in the middle, and three spreads above
_RARE_QUANTILE = 0.99
_LOOKED_AT = 40  # good pictures by which it is said how hot filters has good places
_LEARNING_SHARE = 0.95
_NEIGHBOURS_TIME = 0.25  # of all learning
_SCALE = "scale"


class Both:
    """What each has learned, and how hot good places are to `filters`."""

    def __init__(self, near: Neighbours, fine: Filters, scale: NDArray[np.float32]) -> None:
        """`scale` is the heat of `filters` in the middle, and one that is rarely exceeded: (2,)."""
        self.near, self.fine, self.scale = near, fine, scale

    def heat(self, image: NDArray[np.uint8], look_at_time: LookAtTime) -> NDArray[np.float32]:
        """Return how strange each place of `image`, (h, w) grey or (h, w, 3) BGR, is: (rows, columns)."""
        fine = self.fine.heat(image, look_at_time)
        near = self.near.heat(image, look_at_time)
        usual, rare = self.scale
        fine = (fine - usual) / (rare - usual)
        near = (near - _USUAL) / (_RARE - _USUAL)
        near = np.asarray(cv2.resize(near, fine.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
        together: NDArray[np.float32] = _NEIGHBOURS_SHARE * near + (1 - _NEIGHBOURS_SHARE) * fine
        return np.maximum(together, 0, out=together)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return what brings it back, of any shape (1-D too): names of both begin with whose they are."""
        parts = (("neighbours", self.near.arrays()), ("filters", self.fine.arrays()))
        return {_SCALE: self.scale} | {f"{whose}.{name}": each for whose, kept in parts for name, each in kept.items()}


def learn(good: Pictures, seed: int, tell: Tell, before: Learned | None, backbone: Path | None) -> Both:
    """Learn of good pictures by both methods; each goes on from what it has learned `before`.

    Raises:
        ProjectInvalid: there is no backbone, or it cannot be used.
        ValueError: there are no pictures, or none that a defect can be drawn into.
    """
    old = before if isinstance(before, Both) else None
    ends = _NEIGHBOURS_TIME, _LEARNING_SHARE
    near = neighbours.learn(good, seed, _part(tell, 0.0, ends[0]), old and old.near, backbone)
    fine = filters.learn(good, seed, _part(tell, *ends), old and old.fine, None)
    scale = old.scale if old else _scale_of(fine, good, _part(tell, ends[1], 1.0))
    return Both(near, fine, scale)


def restore(arrays: Mapping[str, NDArray[Any]], backbone: Path | None) -> Both:
    """Return what `arrays` (1-D and more) hold; raises ValueError where they are not those of such a one."""
    parts: dict[str, dict[str, NDArray[Any]]] = {"neighbours": {}, "filters": {}}
    for name, each in arrays.items():
        whose, dot, its = name.partition(".")
        if dot and whose in parts:
            parts[whose][its] = each
    scale = np.asarray(arrays.get(_SCALE, ()), np.float32)
    if scale.shape != (2,) or not np.isfinite(scale).all() or scale[0] >= scale[1]:
        msg = f"scale is {scale.tolist()}, expected two numbers, the second above the first"
        raise ValueError(msg)
    return Both(neighbours.restore(parts["neighbours"], backbone), filters.restore(parts["filters"], None), scale)


def _scale_of(fine: Filters, good: Pictures, tell: Tell) -> NDArray[np.float32]:
    """Return the heat that good places have in the middle, and that one of a hundred exceeds: (2,)."""
    step = max(1, len(good) // _LOOKED_AT)
    chosen = range(0, len(good), step)
    hot = []
    for number, image in enumerate(good.some(list(chosen))):
        tell("looking at the good pictures", number / len(chosen))
        hot.append(fine.heat(image, lambda: None).ravel())
    usual, rare = np.quantile(np.concatenate(hot), (0.5, _RARE_QUANTILE))
    return np.array([usual, max(rare, usual + 1e-3)], np.float32)


def _part(tell: Tell, begin: float, end: float) -> Tell:
    return lambda doing, share: tell(doing, begin + (end - begin) * share)
