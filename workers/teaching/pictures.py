"""Good pictures as the module sees them, in a folder for as long as it is taught."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KEPT_BYTES = 256 << 20  # of decoded pictures, so that small ones are decoded once


def place_of(folder: Path, number: int) -> Path:
    """Return where picture `number` lies."""
    return folder / f"{number}.png"


class KeptPictures:
    """The pictures of these numbers in `folder`, as a method asks for them (method.py).

    `kept` are decoded ones by their numbers, (h, w) grey or (h, w, 3) BGR.
    """

    def __init__(self, folder: Path, numbers: Sequence[int], kept: dict[int, NDArray[np.uint8]] | None = None) -> None:
        """`kept` are those decoded already, (h, w) grey or (h, w, 3) BGR, by number."""
        self._folder = folder
        self._numbers = tuple(numbers)
        self._kept = {} if kept is None else kept

    def __len__(self) -> int:
        """How many there are."""
        return len(self._numbers)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Yield all of them, (h, w) grey or (h, w, 3) BGR, read-only."""
        return map(self.picture, self._numbers)

    def some(self, chosen: Sequence[int]) -> KeptPictures:
        """Return those at these places."""
        return KeptPictures(self._folder, [self._numbers[each] for each in chosen], self._kept)

    def picture(self, number: int) -> NDArray[np.uint8]:
        """Return picture `number` of the folder, (h, w) grey or (h, w, 3) BGR, read-only."""
        if number in self._kept:
            return self._kept[number]
        image = cv2.imread(str(place_of(self._folder, number)), cv2.IMREAD_UNCHANGED)
        if image is None:
            msg = f"{place_of(self._folder, number)}: somebody has removed what is learned from"
            raise OSError(msg)
        picture: NDArray[np.uint8] = np.asarray(image, np.uint8)
        picture.flags.writeable = False
        if sum(each.nbytes for each in self._kept.values()) + picture.nbytes <= _KEPT_BYTES:
            self._kept[number] = picture
        return picture
