"""The gate before the image decoders: it walks a file's own structure and lets only sound files through.

OpenCV 4.12 to 5.0 dies of SIGSEGV on public PNG files of some 500 bytes, and a 56-byte one costs it 4 GB. Whatever
passes here has a known format, a size within the limits, whole and intact chunks or segments, and enough bytes for
the pixels that it claims. No pixel is decoded, nothing is inflated, no memory is taken by what a file claims.
"""

from __future__ import annotations

from workers.errors import ImageInvalid, ImageUnsupported
from workers.gate.behind import judged
from workers.gate.bmp import inspect_bmp
from workers.gate.header import ImageHeader, ImageLimits
from workers.gate.jpeg import inspect_jpeg
from workers.gate.magic import recognise
from workers.gate.png import inspect_png
from workers.gate.tiff import inspect_tiff
from workers.gate.webp import inspect_webp

__all__ = ["ImageHeader", "ImageLimits", "inspect"]

_INSPECTORS = {
    "jpeg": inspect_jpeg,
    "png": inspect_png,
    "bmp": inspect_bmp,
    "tiff": inspect_tiff,
    "webp": inspect_webp,
}


def inspect(data: memoryview, limits: ImageLimits) -> ImageHeader:
    """Check the encoded image in `data` (bytes, flat) and return what its header says.

    Raises ImageUnsupported for a format or feature that is not accepted, ImageTooLarge for a size above the
    limits, ImageInvalid for a file that is damaged, truncated or claims more than it can hold.
    """
    if not len(data):
        raise ImageInvalid("the image is empty: 0 bytes")
    name = recognise(data)
    inspector = _INSPECTORS.get(name) if name in limits.formats else None
    if inspector is None:
        accepted = ", ".join(sorted(limits.formats))
        msg = f"this is {name or 'no image format that is known'}; accepted are {accepted} (setting formats)"
        raise ImageUnsupported(msg)
    header = inspector(data, limits)
    return judged(data, header) if header.end else header
