"""The module `mask`: what lies outside of the parts that count is painted over.

    [[flow]]
    module = "mask"
    keep = [[[100, 100], [500, 100], [500, 400], [100, 400]]]

Polygons are those of the image that the module gets, corners at the upper left of their pixels. A mask that is an image
must have its size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from workers.errors import ImageInvalid, ProjectInvalid
from workers.gate import ImageLimits
from workers.modules.base import reshaping, white_of
from workers.modules.project_image import ImageUnusable, project_image
from workers.modules.region import inside
from workers.pixels.frame_form import FrameForm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.context.placement import Matrix
    from workers.context.run import Context, Run
    from workers.modules.base import ModuleSurroundings
    from workers.modules.mask.options import MaskOptions

# the settings may let in frames that are larger than usual, and a mask may be of a format that frames may not
_LIMITS = ImageLimits(
    max_megapixels=1000, max_side_px=1 << 20, formats=frozenset({"jpeg", "png", "bmp", "tiff", "webp"})
)


def prepare(options: MaskOptions, surroundings: ModuleSurroundings) -> Callable[[Context, Run], bool]:
    """Return the module, ready to run on contexts; raises ProjectInvalid where its image cannot be read."""
    masks: dict[tuple[int, int], NDArray[np.uint8]] = {}
    drawn = _read(surroundings, options.image) if options.image else None

    def hidden(shape: tuple[int, int]) -> NDArray[np.uint8]:
        """What does not count, (h, w): 255 there, 0 elsewhere; for the last size of images it is kept."""
        if shape not in masks:
            masks.clear()
            masks[shape] = _outside(options, shape) if drawn is None else _fitting(drawn, shape)
        return masks[shape]

    def change(context: Context, run: Run) -> tuple[NDArray[Any], Matrix | None]:
        image = context["image"].copy()
        run.look_at_time()
        out = hidden(image.shape[:2]) > 0
        run.look_at_time()
        image[out] = options.fill * white_of(context) // 255
        return image, None

    return reshaping(change, surroundings)


def _outside(options: MaskOptions, shape: tuple[int, int]) -> NDArray[np.uint8]:
    found = np.full(shape, 255 if options.keep else 0, np.uint8)
    for polygons, value in ((options.keep, 0), (options.drop, 255)):
        for polygon in polygons:
            found[inside([(x, y) for x, y in polygon], *shape) > 0] = value
    return found


def _read(surroundings: ModuleSurroundings, name: str) -> NDArray[np.uint8]:
    try:
        image = project_image(surroundings.folder, name, "mask", FrameForm(grey=True), _LIMITS)
    except ImageUnusable as error:
        msg = f"image: {error}"
        raise ProjectInvalid(msg) from None
    return np.where(image == 0, np.uint8(255), np.uint8(0))


def _fitting(mask: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    if mask.shape != shape:
        msg = f"the mask has {mask.shape[1]} x {mask.shape[0]} px, the image {shape[1]} x {shape[0]}"
        raise ImageInvalid(msg)
    return mask
