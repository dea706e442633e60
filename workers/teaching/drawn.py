"""Which defect is drawn into which good picture: a seed and the picture's number say it, and draw it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workers.training.drawing import DrawnDefect, draw_defect
from workers.training.kinds import KINDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

_OTHER_KINDS = 101  # seeds between which another kind is tried


def defect_for(image: NDArray[np.uint8], seed: int, number: int, copy: int) -> DrawnDefect | None:
    """Return picture `number`, (h, w) grey or (h, w, 3) BGR, with the defect of that copy of it; kinds come evenly.

    None where none of the kinds can be seen in it.
    """
    kinds = tuple(KINDS)
    first, own_seed = _kind_number(seed, number, copy, len(kinds)), _own_seed(seed, number, copy)
    for turn in range(len(kinds)):
        try:
            return draw_defect(image, kinds[(first + turn) % len(kinds)], own_seed)
        except ValueError:  # a picture without room for this kind
            continue
    return None


def _kind_number(seed: int, number: int, copy: int, kinds: int) -> int:
    round_number, turn = divmod(number + copy * _OTHER_KINDS, kinds)
    return int(np.random.default_rng([seed, 1, round_number, copy]).permutation(kinds)[turn])


def _own_seed(seed: int, number: int, copy: int) -> int:
    return int(np.random.default_rng([seed, 2, number, copy]).integers(1 << 62))
