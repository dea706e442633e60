"""Pictures for the page about what was learned: as the module saw them, with heat, and with drawn defects outlined."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from workers.pictures.render import annotate, as_rgb
from workers.teaching.drawn import defect_for, mask_of
from workers.teaching.lesson import DrawnLook, good_heat_name
from workers.teaching.pictures import KeptPictures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.teaching.teaching import Taught

_LONGEST_PX = 720
_SHORTEST_PX = 360  # of the longer side: smaller pictures are shown larger
_JPEG_QUALITY = 85
_RIM_RGB, _OUTLINE_RGB = (40, 30, 10), (255, 176, 0)  # seen on light, on dark, and beside the red of heat
_AWAY_PX = 5  # of the outline from what it is around, on the picture as it is shown


class Shown(NamedTuple):
    """A picture and the same with heat, both JPEG."""

    plain: bytes
    heat: bytes


def show_good(taught: Taught, number: int) -> Shown:
    """Show a good picture and what was strange about it while it was held out."""
    image = KeptPictures(taught.gathered.folder, ()).picture(number)
    return _shown(taught, image, taught.heat_of(number, good_heat_name(number)), None)


def show_drawn(taught: Taught, look: DrawnLook) -> Shown:
    """Show a picture with the defect that was drawn into it, outlined, and the heat that it had."""
    image = KeptPictures(taught.gathered.folder, ()).picture(look.number)
    defect = defect_for(image, taught.about.seed, look.number, look.copy_number, mask_of(taught.region))
    assert defect is not None, "it was drawn before"
    return _shown(taught, defect.image, taught.heat_of(look.number, look.heat_name), defect.mask)


def _shown(
    taught: Taught, image: NDArray[np.uint8], heat: NDArray[np.float32], mask: NDArray[np.bool_] | None
) -> Shown:
    """Draw both; `image` is (h, w) grey or (h, w, 3) BGR, `heat` (rows, columns), `mask` (h, w) what to outline."""
    longest = max(image.shape[:2])
    scale = min(_LONGEST_PX / longest, max(1.0, _SHORTEST_PX / longest))
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    picture: NDArray[np.uint8] = np.asarray(cv2.resize(image, size, interpolation=way), np.uint8)
    # the picture is NOK where the mean of its hottest places reaches the threshold: that is half of the scale
    hot = np.clip(cv2.resize(heat, size, interpolation=cv2.INTER_LINEAR) / (2 * taught.about.threshold), 0, 1)
    pictures = as_rgb(picture), annotate(picture, np.asarray(hot, np.float32), ())
    if mask is not None:
        large = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
        wide = cv2.dilate(large, np.ones((2 * _AWAY_PX + 1, 2 * _AWAY_PX + 1), np.uint8))
        outlines, _ = cv2.findContours(wide, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        for each in pictures:
            cv2.drawContours(each, outlines, -1, _RIM_RGB, 4, cv2.LINE_AA)
            cv2.drawContours(each, outlines, -1, _OUTLINE_RGB, 2, cv2.LINE_AA)
    plain, with_heat = (_jpeg(each) for each in pictures)
    return Shown(plain, with_heat)


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    """Encode (h, w, 3) RGB."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()
