"""What user code may leave as image and heatmaps, and what is made of it for the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from workers.text import shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EXPECTED = "expected a {} array (h, w) grey, (h, w, 3) BGR or (h, w, 4) BGRA"


def usable_image(value: object, *, deep: bool = False) -> NDArray[Any]:
    """Return the image that `value` is: uint8, (h, w) grey or (h, w, 3) BGR, in C order; `deep` allows for uint16 too.

    The very array where it is one already. A single channel loses its axis, a fourth channel is dropped. No values
    are converted: whether a float image has its white at 1 or at 255 only its author knows.

    Raises:
        ValueError: it is no such image; the message goes on from the name of the value.
    """
    expected = _EXPECTED.format("uint8 or uint16" if deep else "uint8")
    if not isinstance(value, np.ndarray):
        msg = f"is {shown(value)}, {expected}"
        raise ValueError(msg)  # noqa: TRY004 - one kind of error for all that an image can lack
    shape = value.shape
    fits = value.dtype == np.uint8 or (deep and value.dtype == np.uint16)
    if not fits or not (value.ndim == 2 or (value.ndim == 3 and shape[2] in {1, 3, 4})):
        msg = f"is an array {shape} of {value.dtype}, {expected}"
        raise ValueError(msg)
    if value.size == 0:
        msg = f"is an array {shape} without a pixel, {expected}"
        raise ValueError(msg)
    if type(value) is np.ndarray and value.flags.c_contiguous and (value.ndim == 2 or shape[2] == 3):
        return value
    plain = np.asarray(value)
    if plain.ndim == 3:
        plain = plain[:, :, 0] if shape[2] == 1 else plain[:, :, :3]
    return np.ascontiguousarray(plain)


def top_8_bits(image: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Return a uint16 image of `bits` bits, (h, w) or (h, w, 3) BGR, with its upper eight; above white all is white.

    One of uint8 is returned as it is.
    """
    if image.dtype == np.uint8:
        same: NDArray[np.uint8] = image
        return same
    top: NDArray[np.uint8] = np.minimum(np.right_shift(image, bits - 8), 255).astype(np.uint8)
    return top


def combined_heat(heatmaps: object, shape: tuple[int, int], note: Callable[[str], None]) -> NDArray[np.float32] | None:
    """Return the hottest of `heatmaps` at each pixel, float32 of `shape` (h, w) in 0..1; None where there is none.

    A heatmap is (h, w): floats count as they are, uint8 from 0 to 255 and bool from 0 to 1. What is above 1 counts
    as 1, what is below 0 as 0. What is not a number (NaN, the infinities, a masked entry) nobody knows: it counts as 1,
    so that people see where. `note` is told of it, and what had to be left out.
    """
    if not isinstance(heatmaps, list | tuple):
        note(f"context['heatmaps'] is {shown(heatmaps)}, expected a list")
        return None
    hottest: NDArray[np.float32] | None = None
    for index, given in enumerate(heatmaps):
        try:
            heat, unknown_px = _heat(given, shape)
        except ValueError as error:
            note(f"context['heatmaps'][{index}] {error}: left out")
            continue
        if unknown_px:
            note(f"context['heatmaps'][{index}] is not a number at {unknown_px} pixels, which are shown hot")
        hottest = heat if hottest is None else np.maximum(hottest, heat)
    return hottest


def _heat(value: object, shape: tuple[int, int]) -> tuple[NDArray[np.float32], int]:
    """Return a heatmap as float32 in 0..1, and how many of its pixels were no numbers; raises ValueError."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fbu":
        what = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else shown(value)
        msg = f"is {what}, expected an array (h, w) of floats in 0..1"
        raise ValueError(msg)
    if value.shape != shape:
        msg = f"is an array {value.shape}, expected {shape} as the final image"
        raise ValueError(msg)
    if value.dtype.kind == "u" and value.dtype != np.uint8:
        msg = f"is an array of {value.dtype}, expected floats in 0..1"
        raise ValueError(msg)
    given = np.asarray(value)
    if value.dtype.kind == "u":
        heat: NDArray[np.float32] = np.multiply(given, np.float32(1 / 255), dtype=np.float32)
    else:
        with np.errstate(over="ignore"):
            heat = np.ascontiguousarray(given, np.float32)
    masked = isinstance(value, np.ma.MaskedArray) and bool(np.ma.getmaskarray(value).any())
    # not a number fails both comparisons
    if not masked and heat.min() >= 0 and heat.max() <= 1:
        return heat, 0
    unknown = ~np.isfinite(given)
    if masked:
        unknown |= np.ma.getmaskarray(value)
    return np.where(unknown, np.float32(1), np.clip(heat, 0.0, 1.0)), int(np.count_nonzero(unknown))
