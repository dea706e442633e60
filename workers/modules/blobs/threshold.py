"""From grey levels to pixels that are dark or bright, by fixed levels, Otsu's method or the mean around each pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.modules.blobs.otsu import three_classes, two_classes

if TYPE_CHECKING:
    from workers.modules.blobs.options import BlobsOptions

_Grey = NDArray[np.uint8]

_NONE_DARK, _NONE_BRIGHT = 0, 255


def levels(grey: _Grey, mask: _Grey | None, options: BlobsOptions) -> tuple[int, int]:
    """Return the levels that a dark pixel lies below and a bright one above, as fixed or as Otsu finds them.

    `grey` is (h, w); of it counts where `mask`, (h, w) uint8 if there is one, is 255. Where classes are not far enough
    apart, no pixel is below or above.
    """
    if options.threshold == "fixed":
        return (
            options.darker_than or _NONE_DARK,
            _NONE_BRIGHT if options.brighter_than is None else options.brighter_than,
        )
    histogram = cv2.calcHist([grey], [0], mask, [256], [0, 256]).ravel().astype(np.float64)
    if options.polarity == "both":
        middle, bright, (below, above) = three_classes(histogram)
        return (
            middle if below >= options.contrast_levels else _NONE_DARK,
            bright - 1 if above >= options.contrast_levels else _NONE_BRIGHT,
        )
    level, apart = two_classes(histogram)
    if apart < options.contrast_levels:
        return _NONE_DARK, _NONE_BRIGHT
    return level, level - 1


def around(grey: _Grey, options: BlobsOptions) -> _Grey:
    """Return the mean of the square around each pixel, as grey as `grey`, (h, w); the border is continued."""
    side = (options.window_px, options.window_px)
    return cv2.blur(grey, side, borderType=cv2.BORDER_REPLICATE)  # type: ignore[return-value]  # uint8 as its source


def beyond(grey: _Grey, level: int, polarity: str, out: _Grey) -> None:
    """Write 255 to `out` where `grey`, (h, w), is below `level` (dark) or above it (bright), and 0 elsewhere."""
    if polarity == "dark":
        cv2.threshold(grey, level - 1, 255, cv2.THRESH_BINARY_INV, dst=out)
    else:
        cv2.threshold(grey, level, 255, cv2.THRESH_BINARY, dst=out)


def differing(grey: _Grey, mean: _Grey, contrast_levels: int, polarity: str, out: _Grey) -> None:
    """Write 255 to `out` where `grey` is darker or brighter than `mean`, by `contrast_levels` at least.

    All of them are (h, w); elsewhere `out` is 0.
    """
    first, second = (mean, grey) if polarity == "dark" else (grey, mean)
    cv2.subtract(first, second, dst=out)  # what would be negative is 0
    cv2.threshold(out, contrast_levels - 1, 255, cv2.THRESH_BINARY, dst=out)
