"""What the gate is told and what it tells: limits and header, and the checks that all formats share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workers.errors import ImageInvalid, ImageTooLarge


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What an encoded image may be at most."""

    max_megapixels: float = 50.0  # 150 MB decoded; the largest line cameras of today
    max_side_px: int = 16_384  # four times a line of 4,096
    formats: frozenset[str] = frozenset({"jpeg", "png"})  # of jpeg, png, bmp, tiff, webp
    max_jpeg_scans: int = 64  # encoders write up to about 12; each costs a pass over all pixels
    lenient: bool = False  # whether a damaged JPEG or PNG is decoded as far as it goes


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What a file says of itself, after it was checked."""

    format: str
    width: int  # pixels
    height: int  # pixels
    sampling: tuple[tuple[int, int], ...] = ()  # JPEG: horizontal and vertical factor of each component
    # what to decode: start and end of bytes of the file, or bytes in their place; empty for the whole file
    kept: tuple[tuple[int, int] | bytes, ...] = ()
    raw_bytes: int = 0  # PNG: what the pixels take before compression
    end: int = 0  # PNG and JPEG: where the image ends, in bytes of the file
    announced: frozenset[int] = frozenset()  # JPEG: where it says that further images begin
    notes: tuple[str, ...] = ()  # what is not as it should be and changes no pixel


def check_size(kind: str, width: int, height: int, limits: ImageLimits) -> None:
    """Raise unless the size in pixels is within the limits."""
    if width < 1 or height < 1:
        msg = f"the {kind} says that it has {width} x {height} pixels; at least 1 x 1 is needed"
        raise ImageInvalid(msg)
    if max(width, height) > limits.max_side_px:
        msg = f"the {kind} has {width} x {height} pixels; a side may have {limits.max_side_px} at most"
        raise ImageTooLarge(msg)
    if width * height > limits.max_megapixels * 1e6:
        msg = (
            f"the {kind} has {width} x {height} pixels, {width * height / 1e6:.1f} megapixels;"
            f" {limits.max_megapixels:g} are accepted (setting max_megapixels)"
        )
        raise ImageTooLarge(msg)


def check_padding(kind: str, data: memoryview, end: int) -> None:
    """Raise if anything but zeros follows the image's end.

    Cameras with buffers of a fixed size pad with zeros. Anything else is a second image, a stale buffer or a
    mistake of the sender, and which frame was meant is not for us to guess.
    """
    if np.frombuffer(data, np.uint8)[end:].any():
        msg = f"{len(data) - end} bytes follow the end of the {kind} at byte {end}; only zeros may"
        raise ImageInvalid(msg)
