"""A damaged file made into one that a forgiving decoder takes, for sites that set `lenient`."""

from __future__ import annotations

from workers.errors import ImageInvalid
from workers.gate.header import ImageHeader, ImageLimits
from workers.gate.magic import recognise
from workers.mending.damaged_jpeg import mend_jpeg
from workers.mending.damaged_png import mend_png

_MENDERS = {"jpeg": mend_jpeg, "png": mend_png}


def mend(data: memoryview, limits: ImageLimits) -> tuple[ImageHeader, memoryview]:
    """Return the header and the bytes to decode of a file that `inspect`, or a decoder behind it, found damaged.

    Raises ImageInvalid where it cannot be mended: only JPEG and PNG can, and only where their headers are intact.
    """
    name = recognise(data)
    if name not in _MENDERS:
        msg = f"a damaged {name} file cannot be mended"
        raise ImageInvalid(msg)
    return _MENDERS[name](data, limits)
