"""What looks at a picture for the module, learned or exported, and what it has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from workers.context.run import LookAtTime


class Look(NamedTuple):
    """How strange a picture is: `score`, and `heat`, (rows, columns) float32 that covers it evenly, None for no places.

    `is_bad` is what a model says itself; None leaves it to the threshold.
    """

    score: float
    heat: NDArray[np.float32] | None
    is_bad: bool | None = None


class Looker(Protocol):
    """Looks at pictures, one at a time; a score from `threshold` on is bad, and so is a place that is as hot."""

    threshold: float

    def look(self, image: NDArray[np.uint8], mask: NDArray[np.uint8] | None, look_at_time: LookAtTime) -> Look:
        """Look at `image`, (h, w) grey or (h, w, 3) BGR; what is 0 in `mask` (h, w) does not count.

        Raises:
            FramemillError: it is no picture of the kind that it knows, or nothing can be said of it.
        """
