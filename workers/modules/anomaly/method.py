"""What a method of finding anomalies is: it learns of good pictures, and then says of each place how strange it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from workers.context.run import LookAtTime

Arrays = Mapping[str, "NDArray[Any]"]
"""What a method keeps in the file: arrays by names; numbers and texts are arrays of one too."""

Tell = Callable[[str, float], None]
"""Told what is being done and how much of the whole is done, 0 to 1; it raises where somebody breaks it off."""


class Pictures(Protocol):
    """Pictures to learn from, decoded anew each time: they may not fit into the memory together.

    Each is (h, w) grey or (h, w, 3) BGR uint8, as the module sees it, and is only read.
    """

    def __len__(self) -> int:
        """How many there are."""

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Yield all of them in the same order each time."""

    def some(self, chosen: Sequence[int]) -> Pictures:
        """Return those of these numbers, in that order."""


class Learned(Protocol):
    """What a method has learned, ready to look at pictures. One picture at a time: it may keep memory between them."""

    def heat(self, image: NDArray[np.uint8], look_at_time: LookAtTime) -> NDArray[np.float32]:
        """Return how strange each place of an image, (h, w) grey or (h, w, 3) BGR uint8, is: a grid, (rows, columns).

        The grid covers the whole image evenly and may be coarser than it. Values are at least 0, in units of the
        method's own; the picture's score is made of them by score.py.
        """

    def arrays(self) -> Arrays:
        """Return what brings it back, of any shape (1-D too): `restore(arrays)` sees pictures the same, to the bit."""


class Method(Protocol):
    """A method, as methods.py names it: a Python module with these functions."""

    def learn(self, good: Pictures, seed: int, tell: Tell, before: Learned | None, backbone: Path | None) -> Learned:
        """Learn of good pictures; `before` was learned of others, and is kept on with.

        `backbone` is an ONNX file whose outputs are features, for a method that looks through one.
        """

    def restore(self, arrays: Arrays, backbone: Path | None) -> Learned:
        """Return what `arrays` (1-D and more) hold; raises ValueError where they are not what `arrays()` gave."""
