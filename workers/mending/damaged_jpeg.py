"""A damaged JPEG made into one that a forgiving decoder takes, for sites that set `lenient`.

Its headers up to the first scan must say a size, once; what follows is the decoder's business. The limits hold as for
sound files: on pixels, on what a file of that length can hold, and on scans.
"""

from __future__ import annotations

import re

from workers.errors import ImageInvalid
from workers.gate.header import ImageHeader, ImageLimits
from workers.gate.jpeg import read_start

_END = b"\xff\xd9"
_SCAN = re.compile(rb"\xff\xda")


def mend_jpeg(data: memoryview, limits: ImageLimits) -> tuple[ImageHeader, memoryview]:
    """Return the header and the bytes to decode of the damaged JPEG in `data`: all of it, with an end.

    Raises ImageInvalid where no size or no scan can be found, ImageTooLarge, ImageUnsupported.
    """
    header = read_start(data, limits)
    # in sound data this stands nowhere else; in damaged data the decoder may meet each of them
    if sum(1 for _ in _SCAN.finditer(data)) > limits.max_jpeg_scans:
        msg = f"the JPEG has more than {limits.max_jpeg_scans} scans"
        raise ImageInvalid(msg)
    return header, memoryview(b"".join((data, _END)))
