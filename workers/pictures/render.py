"""The pictures of an inspected frame: the heat alone, and the frame with heat and rectangles on it.

They are in RGB, as PNG is: the copy that a drawing needs and the change of order are one step.

Both are drawn as PEKAT VISION draws them, measured on the vendor's own files: the heatmap is black with 204 *
heat in its red channel, the annotated image is the frame blended with pure red, the heat being the weight of
the red. Heat below 0.36 is drawn in neither. Rectangles and lines lie on top.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np

from workers.errors import InternalError
from workers.pictures.rectangle_drawing import draw_rectangles

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAINTEST_HEAT = np.float32(0.36)
_RED_AT_FULL_HEAT = np.float32(204)
_RED = (255, 0, 0)

# Tiles keep a few hot spots cheap wherever they are, and a frame that is hot all over bounded: 1920x1024
# takes about 2 ms with ten spots and 12 ms all hot; gathering the hot pixels takes 1 ms and 95 ms.
_TILE_PX = 128


def heatmap(heat: NDArray[np.float32] | None, height: int, width: int) -> NDArray[np.uint8]:
    """Draw `heat` on black: (height, width, 3) uint8 RGB, red = 204 * heat, all black without heat.

    `heat` is (height, width) in 0..1; what is above counts as 1, what is not a number as 0.
    """
    picture = np.zeros((height, width, 3), np.uint8)
    if heat is not None:
        _check_size(heat, height, width)
        for tile in _hot_tiles(heat):
            picture[tile][..., 0] = np.rint(_visible(heat[tile]) * _RED_AT_FULL_HEAT)
    return picture


def annotate(
    image: NDArray[np.uint8],
    heat: NDArray[np.float32] | None,
    rectangles: Sequence[Mapping[str, Any]],
    lines: Sequence[object] = (),
) -> NDArray[np.uint8]:
    """Draw `heat`, `rectangles` and `lines` over `image`: a new (h, w, 3) uint8 RGB array, the same where they are not.

    `image` is (h, w) grey or (h, w, 3) BGR and may be read-only; `heat` is (h, w) as for `heatmap`;
    `rectangles` and `lines` are those of the context, of which every field but the position may be missing (see
    `workers/pictures/rectangle_drawing.py`).
    """
    picture = as_rgb(image)
    if heat is not None:
        _check_size(heat, *image.shape[:2])
        _blend_red(picture, heat)
    draw_rectangles(picture, rectangles, lines)
    return picture


def as_rgb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return `image`, (h, w) grey or (h, w, 3) BGR, as a new (h, w, 3) array in RGB, the order of PNG."""
    code = cv2.COLOR_BGR2RGB if image.ndim == 3 else cv2.COLOR_GRAY2RGB
    return cast("NDArray[np.uint8]", cv2.cvtColor(image, code))


def _check_size(heat: NDArray[np.float32], height: int, width: int) -> None:
    if heat.shape != (height, width):
        msg = f"the heat has shape {heat.shape}, its image is {height} high and {width} wide"
        raise InternalError(msg)


def _visible(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `heat` limited to 1, and 0 where it is too faint to be drawn or not a number."""
    shown = np.where(heat >= FAINTEST_HEAT, heat, np.float32(0))
    return np.minimum(shown, np.float32(1), out=shown)


def _blend_red(picture: NDArray[np.uint8], heat: NDArray[np.float32]) -> None:
    red = np.full((_TILE_PX, _TILE_PX, 3), _RED, np.uint8)
    for tile in _hot_tiles(heat):
        target, weight = picture[tile], _visible(heat[tile])
        rows, columns = weight.shape
        target[...] = cv2.blendLinear(target, red[:rows, :columns], 1 - weight, weight)


def _hot_tiles(heat: NDArray[np.float32]) -> Iterator[tuple[slice, slice]]:
    """Yield what has to be drawn: of each tile with visible heat, the box around that heat."""
    hot = heat >= FAINTEST_HEAT
    height, width = hot.shape
    for top in range(0, height, _TILE_PX):
        if not hot[top : top + _TILE_PX].any():
            continue
        for left in range(0, width, _TILE_PX):
            tile = hot[top : top + _TILE_PX, left : left + _TILE_PX]
            rows = np.flatnonzero(tile.any(axis=1))
            if rows.size:
                columns = np.flatnonzero(tile.any(axis=0))
                yield (
                    slice(top + int(rows[0]), top + int(rows[-1]) + 1),
                    slice(left + int(columns[0]), left + int(columns[-1]) + 1),
                )
