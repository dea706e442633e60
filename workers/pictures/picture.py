"""The picture that was asked for, as PNG; a preview as JPEG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workers.pictures.png import encode_png
from workers.pictures.preview import encode_preview
from workers.pictures.render import annotate, as_rgb, heatmap
from workers.pool.job import ResponseType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def draw(
    response: ResponseType,
    image: NDArray[np.uint8],
    heat: NDArray[np.float32] | None,
    rectangles: Sequence[Mapping[str, Any]],
    lines: Sequence[object] = (),
) -> bytes:
    """Draw what `response` names and encode it; empty for the context alone.

    `image` is (h, w) grey or (h, w, 3) BGR, `heat` (h, w) in 0..1; the picture has the image's size, but for a preview.
    """
    if response is ResponseType.IMAGE:
        return encode_png(image if image.ndim == 2 else as_rgb(image))
    if response is ResponseType.ANNOTATED_IMAGE:
        return encode_png(annotate(image, heat, rectangles, lines))
    if response is ResponseType.HEATMAP:
        return encode_png(heatmap(heat, image.shape[0], image.shape[1]))
    if response is ResponseType.PREVIEW:
        return encode_preview(annotate(image, heat, rectangles, lines))
    return b""
