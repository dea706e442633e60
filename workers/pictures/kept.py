"""What a frame is kept as: a camera's own file as it came, of a raw one a JPEG or PNG of its pixels.

No file is decoded here. A raw frame whose bytes do not fit what was said about it is kept as these bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from workers.errors import FramemillError
from workers.gate import ImageLimits, inspect
from workers.gate.magic import recognise
from workers.pictures.png import encode_png
from workers.pictures.render import as_rgb
from workers.pixels.pixel_format import Layout, pixel_format
from workers.pixels.raw import raw_to_bgr, raw_to_grey
from workers.pixels.scratch import Scratch
from workers.pool.job import Encoding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.pool.job import Job

_FILES = {
    "jpeg": ("jpg", "image/jpeg"),
    "png": ("png", "image/png"),
    "bmp": ("bmp", "image/bmp"),
    "tiff": ("tif", "image/tiff"),
    "webp": ("webp", "image/webp"),
}
_BYTES = ("bin", "application/octet-stream")
_ANY = ImageLimits(max_megapixels=1e6, max_side_px=1 << 30, formats=frozenset(_FILES), max_jpeg_scans=1 << 20)


class Kept(NamedTuple):
    """A file's content and what it is; sizes are None where they are not known. `pixel_format` is as the frame came."""

    content: bytes
    ending: str
    media_type: str
    width_px: int | None = None
    height_px: int | None = None
    pixel_format: str | None = None

    @property
    def about(self) -> tuple[str, int | None, int | None, str | None]:
        """All but the file itself and its name's ending."""
        return self.media_type, self.width_px, self.height_px, self.pixel_format


class KeptForm:
    """For one thread, whose memory for pixels is used again. `file_format` is jpeg or png, `quality` a JPEG's."""

    def __init__(self, file_format: str, quality: int) -> None:
        self._format = file_format
        self._options = [
            *(cv2.IMWRITE_JPEG_QUALITY, quality),
            # the colour of a small defect stays where it is
            *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
        ]
        self._scratch = Scratch()

    def of(self, job: Job, frame: bytes) -> Kept:
        """Return what is kept of a frame."""
        if job.encoding is Encoding.ENCODED:
            return _file(frame)
        size_px = (job.width, job.height)
        try:
            return Kept(self._encoded(self._pixels(job, frame)), *_FILES[self._format], *size_px, job.pixel_format)
        except (FramemillError, cv2.error):
            return Kept(frame, *_BYTES, *size_px, job.pixel_format)

    def _pixels(self, job: Job, frame: bytes) -> NDArray[np.uint8]:
        fmt, pixels = pixel_format(job.pixel_format), np.frombuffer(frame, np.uint8)
        convert = raw_to_grey if fmt.layout is Layout.GREY else raw_to_bgr
        return convert(pixels, fmt, job.width, job.height, self._scratch)

    def _encoded(self, image: NDArray[np.uint8]) -> bytes:
        if self._format == "png":
            return encode_png(image if image.ndim == 2 else as_rgb(image))
        _, encoded = cv2.imencode(".jpg", image, self._options)
        return encoded.tobytes()


def _file(frame: bytes) -> Kept:
    view = memoryview(frame)
    name = recognise(view) if frame else ""
    if name not in _FILES:
        return Kept(frame, *_BYTES)
    try:
        header = inspect(view, _ANY)
    except FramemillError:  # a damaged one that a project takes all the same
        return Kept(frame, *_FILES[name])
    return Kept(frame, *_FILES[name], header.width, header.height)
