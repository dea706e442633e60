"""Samples of 10, 12 and 16 bits, straight from the packed bytes: reduced to their top 8, or as they are.

Where low bits are dropped, it is before demosaicing: that then reads and writes half the bytes, and no colour changes
by more than one level. Where the bits lie is drawn in pixel_format.py. Sources beside PFNC: GigE Vision and
Basler's manuals on "Packed" (byte 1 has the low bits of both pixels), FLIR's on 12p against 12Packed (kept in
areaDetector's ADGenICam), harvesters 222 on 10p (four pixels in five bytes).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from workers.errors import InvalidParameter
from workers.pixels.pixel_format import Packing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.pixels.pixel_format import PixelFormat


def unpack_to_8bit(pixels: NDArray[np.uint8], fmt: PixelFormat, out: NDArray[np.uint8]) -> None:
    """Write the top 8 bits of every sample to `out`.

    Args:
        pixels: 1-D, contiguous, exactly one frame (`check_length` has passed); may be read-only.
        fmt: any format of more than 8 bits.
        out: 1-D, one element per sample.

    Raises:
        InvalidParameter: a 16-bit word holds more than the format's bits.
    """
    if fmt.packing is Packing.WORDS_LE:
        _from_words(pixels, fmt, out)
    elif fmt.packing is Packing.LSB:
        _from_bit_stream(pixels, fmt.bits, out)
    else:
        _from_gige(pixels, out)


def unpack_to_16bit(pixels: NDArray[np.uint8], fmt: PixelFormat, out: NDArray[np.uint16]) -> None:
    """Write every sample to `out`, (n,) uint16, as it is, 0 to 1,023 for 10 bits; else as `unpack_to_8bit`."""
    if fmt.packing is Packing.WORDS_LE:
        out[:] = _checked_words(pixels, fmt)
    elif fmt.packing is Packing.LSB:
        _from_bit_stream_whole(pixels, fmt.bits, out)
    else:
        _from_gige_whole(pixels, fmt.bits, out)


def _from_words(pixels: NDArray[np.uint8], fmt: PixelFormat, out: NDArray[np.uint8]) -> None:
    np.right_shift(_checked_words(pixels, fmt), fmt.bits - 8, out=out, casting="unsafe")


def _checked_words(pixels: NDArray[np.uint8], fmt: PixelFormat) -> NDArray[np.uint16]:
    words = pixels.view("<u2")
    # some cameras send big-endian, some grabbers align to the high bits: their frames would turn into noise
    largest = int(words.max())
    if largest >> fmt.bits:
        raise InvalidParameter(
            f"the frame is not {fmt.name}: it holds a sample of {largest}, and {fmt.bits} bits in the low "
            f"end of little-endian words go up to {(1 << fmt.bits) - 1}"
        )
    return words


def _from_bit_stream(pixels: NDArray[np.uint8], bits: int, out: NDArray[np.uint8]) -> None:
    """Take the first sample of all groups at once, then the second, and so on; a group ends on a byte."""
    group = 8 // math.gcd(bits, 8)
    group_bytes = group * bits // 8
    for place in range(min(group, out.size)):
        target = out[place::group]
        byte, shift = divmod(place * bits + bits - 8, 8)  # where the top 8 bits start
        if shift == 0:
            target[:] = pixels[byte::group_bytes]
        else:
            # words that overlap and are mostly unaligned, yet faster than shifting and joining single bytes
            words = np.ndarray(target.shape, "<u2", pixels, byte, (group_bytes,))
            np.right_shift(words, shift, out=target, casting="unsafe")


def _from_gige(pixels: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Take the outer two of every three bytes: of 10 bits and of 12 alike, they are the top 8."""
    out[0::2] = pixels[0::3]
    out[1::2] = pixels[2::3]


def _from_bit_stream_whole(pixels: NDArray[np.uint8], bits: int, out: NDArray[np.uint16]) -> None:
    group = 8 // math.gcd(bits, 8)
    group_bytes = group * bits // 8
    for place in range(min(group, out.size)):
        target = out[place::group]
        byte, shift = divmod(place * bits, 8)
        # no sample of 10 or 12 bits that begins at an even bit goes beyond the second byte
        words = np.ndarray(target.shape, "<u2", pixels, byte, (group_bytes,))
        np.right_shift(words, shift, out=target)
        np.bitwise_and(target, (1 << bits) - 1, out=target)


def _from_gige_whole(pixels: NDArray[np.uint8], bits: int, out: NDArray[np.uint16]) -> None:
    low, mask = bits - 8, (1 << bits - 8) - 1
    first, second = out[0::2], out[1::2]
    middle = pixels[1::3]
    np.left_shift(pixels[0::3], low, out=first, dtype=np.uint16)
    np.left_shift(pixels[2::3], low, out=second, dtype=np.uint16)
    first |= middle[: first.size] & mask
    second |= middle[: second.size] >> 4 & mask
