"""Which defect is drawn into which good picture: a seed and the picture's number say it, and draw it again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from workers.modules.region import Region
from workers.training.drawing import DrawnDefect, draw_defect
from workers.training.kinds import KINDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.modules.region_options import RegionOptions

_OTHER_KINDS = 101  # seeds between which another kind is tried


def defect_for(
    image: NDArray[np.uint8], seed: int, number: int, copy: int, where: NDArray[np.uint8] | None = None
) -> DrawnDefect | None:
    """Return picture `number`, (h, w) grey or (h, w, 3) BGR, with the defect of that copy of it; kinds come evenly.

    It lies where `where`, (h, w), is not 0. None where none of the kinds can be seen there.
    """
    kinds = tuple(KINDS)
    first, own_seed = _kind_number(seed, number, copy, len(kinds)), _own_seed(seed, number, copy)
    for turn in range(len(kinds)):
        try:
            return draw_defect(image, kinds[(first + turn) % len(kinds)], own_seed, where=where)
        except ValueError:  # a picture without room for this kind
            continue
    return None


def _kind_number(seed: int, number: int, copy: int, kinds: int) -> int:
    round_number, turn = divmod(number + copy * _OTHER_KINDS, kinds)
    return int(np.random.default_rng([seed, 1, round_number, copy]).permutation(kinds)[turn])


def _own_seed(seed: int, number: int, copy: int) -> int:
    return int(np.random.default_rng([seed, 2, number, copy]).integers(1 << 62))


def mask_of(region: RegionOptions | None) -> NDArray[np.uint8] | None:
    """Return what of its window a region is, (height, width), 0 outside; None where it is all of it."""
    if region is None or region.polygon is None:
        return None
    right, bottom = (math.ceil(max(values)) for values in zip(*region.polygon, strict=True))
    return Region(region).area(np.zeros((bottom, right), np.uint8)).mask  # the same in all pictures that hold it
