"""Encoded images to pixels, strictly: a damaged file is an error, never a picture with its gaps filled in.

One answer each, whatever the decoder: pixels come as they are stored, always (h, w, 3) BGR of 8 bits, unless a flow
wants another form. EXIF
orientation is ignored: an industrial camera is mounted, not held, and a flow's regions count in stored pixels. Alpha,
transparency, gamma and colour profiles are ignored, 16 bits become 8 by dropping the low byte, and grey is repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
import pyspng
import simplejpeg
from numpy.typing import NDArray

from workers.errors import ImageInvalid
from workers.gate import ImageHeader, ImageLimits, inspect
from workers.mending.mend import mend
from workers.mending.plain_tiff import plain_tiff
from workers.mending.png_pixels import bounded
from workers.pixels.decoder_warnings import words_of_decoders
from workers.pixels.deep import deep_png, is_deep_png
from workers.pixels.frame_form import WHOLE, FrameForm
from workers.pixels.reduce import in_form
from workers.pixels.scratch import Scratch

# Sampling of luma and of both chromas that turbojpeg, under simplejpeg, decodes; found by trying all 4,096.
_COMMON_SAMPLINGS = frozenset(
    {
        *(((1, 1), (1, 1)), ((1, 2), (1, 2)), ((1, 3), (1, 3)), ((2, 1), (2, 1)), ((3, 1), (3, 1))),  # 4:4:4
        *(((2, 1), (1, 1)), ((2, 2), (1, 2))),  # 4:2:2
        *(((1, 2), (1, 1)), ((2, 2), (2, 1))),  # 4:4:0
        ((2, 2), (1, 1)),  # 4:2:0
        ((4, 1), (1, 1)),  # 4:1:1
        ((1, 4), (1, 1)),  # 4:4:1
    }
)
# libspng's words; the second are those for an output that could not be allocated
_NO_MEMORY = frozenset({"out of memory", "invalid argument"})


class Decoded(NamedTuple):
    """A frame's pixels, what was wrong with its file, empty for a sound one, and what was odd and changed no pixel.

    `image` is (h, w) grey or (h, w, 3) BGR, uint8; uint16 where its file has 16 bits and the flow wants them so.
    """

    image: NDArray[Any]
    damage: str = ""
    notes: tuple[str, ...] = ()


def decode_image(
    data: memoryview, limits: ImageLimits, scratch: Scratch | None = None, form: FrameForm = WHOLE
) -> NDArray[np.uint8]:
    """Decode the image file in `data` (flat bytes, not written to) to (h, w, 3) BGR uint8, C-contiguous, or to `form`.

    Of `form` it is the depth of 8 bits only; `decode_frame` knows the other.

    A JPEG is decoded to grey and to a fraction of its size directly: libjpeg then leaves out the colours, and
    computes smaller blocks from the same coefficients. The image may lie in `scratch` and is valid until the next call
    with the same one; with None it is a new array.

    Raises ImageUnsupported, ImageTooLarge or ImageInvalid; see `workers.gate.inspect`.
    """
    image = _decode(data, inspect(data, limits), scratch or Scratch(), form, strict=True)
    assert image.dtype == np.uint8, form
    return cast("NDArray[np.uint8]", image)


def decode_frame(
    data: memoryview, limits: ImageLimits, scratch: Scratch | None = None, form: FrameForm = WHOLE
) -> Decoded:
    """Decode as `decode_image` does; where `limits.lenient` says so, a damaged JPEG or PNG as far as it goes.

    What was lost of a JPEG is grey or smeared, what was lost of a PNG is black.

    Raises as `decode_image` does.
    """
    memory = scratch or Scratch()
    try:
        header = inspect(data, limits)
        return Decoded(_decode(data, header, memory, form, strict=True), notes=header.notes)
    except ImageInvalid as damage:
        if not limits.lenient:
            raise
        try:
            header, mended = mend(data, limits)
            return Decoded(_decode(mended, header, memory, form, strict=False), damage.message)
        except ImageInvalid:
            raise damage from None


def _decode(data: memoryview, header: ImageHeader, memory: Scratch, form: FrameForm, *, strict: bool) -> NDArray[Any]:
    if header.kept:
        data = _kept(data, header.kept)
    if header.format == "jpeg" and _is_common(header.sampling):
        return _decode_jpeg(data, header, memory, form, strict=strict)
    if header.format == "jpeg" and not strict:
        raise ImageInvalid("the JPEG is damaged, and its chroma sampling is none that is decoded all the same")
    if header.format == "png":
        image = _deep_png(data, header) if _wants_deep_png(data, form) else _decode_png(data, header, memory)
    else:
        image = _decode_with_cv2(data, header, form)
    _check_shape(image, (header.height, header.width, 3), header)
    return in_form(image, form, memory)


def _wants_deep_png(data: memoryview, form: FrameForm) -> bool:
    return form.depth == 16 and is_deep_png(data)


def _kept(data: memoryview, parts: tuple[tuple[int, int] | bytes, ...]) -> memoryview:
    pieces = [part if isinstance(part, bytes) else data[slice(*part)] for part in parts]
    first = pieces[0]
    return first if len(pieces) == 1 and isinstance(first, memoryview) else memoryview(b"".join(pieces))


def _check_shape(image: NDArray[Any], expected: tuple[int, ...], header: ImageHeader) -> None:
    if image.shape != expected:
        msg = f"the {header.format} decodes to {image.shape}, its header says {expected}: the file is damaged"
        raise ImageInvalid(msg)


def _decode_jpeg(
    data: memoryview, header: ImageHeader, memory: Scratch, form: FrameForm, *, strict: bool
) -> NDArray[np.uint8]:
    width, height = form.size_px(header.width, header.height)
    expected = (height, width, 1 if form.grey else 3)
    colours = "GRAY" if form.grey else "BGR"
    target = memory.array("bgr", expected)
    if not strict:
        target[...] = 0  # no pixel of another frame shows where this one has none
    try:
        image = simplejpeg.decode_jpeg(
            data, colours, min_height=height, min_width=width, min_factor=form.reduce, strict=strict, buffer=target
        )
    except ValueError as error:
        msg = f"the JPEG is damaged: {error}"
        raise ImageInvalid(msg) from None
    _check_shape(image, expected, header)
    return cast("NDArray[np.uint8]", image[..., 0] if form.grey else image)


def _is_common(sampling: tuple[tuple[int, int], ...]) -> bool:
    luma, *chromas = sampling
    return not chromas or (len(set(chromas)) == 1 and (luma, chromas[0]) in _COMMON_SAMPLINGS)


def _decode_with_cv2(data: memoryview, header: ImageHeader, form: FrameForm) -> NDArray[Any]:
    """Decode with cv2, which goes on over damage and tells stderr only; whatever it says there is an error here."""
    readable = plain_tiff(data) if header.format == "tiff" else data
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION | (cv2.IMREAD_ANYDEPTH if form.depth == 16 else 0)
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_WARNING)  # a variable can silence it
    try:
        with words_of_decoders() as messages:
            image = cv2.imdecode(np.frombuffer(readable, np.uint8), flags)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError(error.err) from None
        msg = f"the {header.format.upper()} cannot be decoded: {error.err}"
        raise ImageInvalid(msg) from None
    finally:
        cv2.utils.logging.setLogLevel(level)
    said = messages[0].decode("ascii", "replace") if messages else ""
    if image is None:
        msg = f"the {header.format.upper()}'s compressed pixels are damaged or too few{said and ': '}{said}"
        raise ImageInvalid(msg)
    if said:
        msg = f"the {header.format.upper()} is damaged: {said}"
        raise ImageInvalid(msg)
    return cast("NDArray[Any]", image)


def _decode_png(data: memoryview, header: ImageHeader, memory: Scratch) -> NDArray[np.uint8]:
    with _spng_errors():
        pixels = pyspng.load(bounded(data, header.raw_bytes), format="RGB")
    _check_shape(pixels, (header.height, header.width, 3), header)
    return cast("NDArray[np.uint8]", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR, dst=memory.array("bgr", pixels.shape)))


def _deep_png(data: memoryview, header: ImageHeader) -> NDArray[np.uint16]:
    with _spng_errors():
        return deep_png(bounded(data, header.raw_bytes))


@contextmanager
def _spng_errors() -> Iterator[None]:
    """Say what libspng says of a file as everything else here does."""
    try:
        yield
    except RuntimeError as error:
        said = str(error).rpartition(": ")[2]
        if said in _NO_MEMORY:
            raise MemoryError(said) from None
        msg = f"the PNG's pixels are damaged: {said}"
        raise ImageInvalid(msg) from None
