"""A preview for a page: no larger than a screen shows it, and a JPEG, for it is looked at for a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import simplejpeg

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_PX = 1280
_QUALITY = 85


def encode_preview(image: NDArray[np.uint8]) -> bytes:
    """Encode `image`, (h, w, 3) RGB, scaled down to 1,280 px on its longer side where that is longer."""
    height, width = image.shape[:2]
    scale = _MOST_PX / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(image), _QUALITY, "RGB", "420"))
