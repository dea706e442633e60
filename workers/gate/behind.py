"""What follows the end of a JPEG or PNG: zeros, as cameras pad, or bytes that are noted, but no second image."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from workers.errors import ImageInvalid
from workers.gate.header import ImageHeader
from workers.gate.jpeg import whole_jpeg_bytes
from workers.gate.png import whole_png_bytes

_START = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n")
_MOST_STARTS = 32  # each costs a walk; in other data one comes by chance in 16 MB


def judged(data: memoryview, header: ImageHeader) -> ImageHeader:
    """Return `header` with a note on what follows the end of its image, and without that among what is decoded.

    Raises ImageInvalid where a second whole image does that the file does not announce: which of the two was meant is
    not for us to guess.
    """
    kind = header.format.upper()
    if header.end == len(data) or not np.frombuffer(data, np.uint8)[header.end :].any():
        return header
    images = _count_images(data, header, kind)
    among = f", {images} images that it announces among them" if images else ""
    note = f"{len(data) - header.end} bytes follow the end of the {kind} at byte {header.end}{among}; they are ignored"
    return replace(header, kept=header.kept or ((0, header.end),), notes=(*header.notes, note))


def _count_images(data: memoryview, header: ImageHeader, kind: str) -> int:
    """Return how many whole images follow, all of them announced."""
    images = 0
    at = header.end
    for _ in range(_MOST_STARTS):
        found = _START.search(data, at)
        if found is None:
            return images
        start = found.start()
        length = _whole_bytes(data[start:])
        if length and start not in header.announced:
            msg = (
                f"a second image of {length} bytes begins at byte {start}, behind the end of the {kind} at byte"
                f" {header.end}, and the file does not announce it; one image is expected"
            )
            raise ImageInvalid(msg)
        images += length > 0
        at = start + max(length, 1)
    msg = f"more than {_MOST_STARTS} images seem to follow the end of the {kind} at byte {header.end}; one is expected"
    raise ImageInvalid(msg)


def _whole_bytes(data: memoryview) -> int:
    """Return the length of the image that `data` begins with, 0 where it is not whole."""
    try:
        return whole_jpeg_bytes(data) if data[0] == 0xFF else whole_png_bytes(data)
    except ImageInvalid:
        return 0
