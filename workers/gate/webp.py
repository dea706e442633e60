"""WebP: its container, chunk by chunk, as in its specification. One still image is accepted."""

from __future__ import annotations

import struct

from workers.errors import ImageInvalid, ImageUnsupported
from workers.gate.header import ImageHeader, ImageLimits, check_padding, check_size

_CHUNK = struct.Struct("<4sI")
_CANVAS = struct.Struct("<B3xHBHB")
_FIRST_CHUNK_AT = 12  # behind RIFF, its length and WEBP
_IMAGES = frozenset({b"VP8 ", b"VP8L"})
_ANIMATED = 0x02


def inspect_webp(data: memoryview, limits: ImageLimits) -> ImageHeader:
    """Check the WebP in `data`; raises ImageInvalid, ImageTooLarge or ImageUnsupported."""
    try:
        end = struct.unpack_from("<I", data, 4)[0] + 8
        if end > len(data):
            msg = f"the WebP says that it has {end} bytes and has {len(data)}: the file is truncated"
            raise ImageInvalid(msg)
        width, height = _size(data[:end])
    except struct.error:
        raise ImageInvalid("the WebP ends inside its header: the file is truncated") from None
    check_padding("WebP", data, end)
    check_size("WebP", width, height, limits)
    return ImageHeader("webp", width, height)


def _size(data: memoryview) -> tuple[int, int]:
    """Return width and height of the one image, which are those of the canvas where there is one."""
    canvas: tuple[int, int] | None = None
    images: list[tuple[int, int]] = []
    at = _FIRST_CHUNK_AT
    while at < len(data):
        kind, length = _CHUNK.unpack_from(data, at)
        payload = data[at + _CHUNK.size : at + _CHUNK.size + length]
        if len(payload) < length:
            msg = f"the WebP ends inside its chunk at byte {at}: the file is truncated"
            raise ImageInvalid(msg)
        if kind == b"VP8X":
            if at != _FIRST_CHUNK_AT:
                raise ImageInvalid("the WebP has a chunk VP8X that is not its first")
            canvas = _canvas(payload)
        elif kind in _IMAGES:
            images.append(_image(kind, payload))
        at += _CHUNK.size + length + (length & 1)
    if len(images) != 1 or canvas not in {None, images[0]}:
        msg = f"the WebP has images of sizes {images} and a canvas of {canvas}; one image of its size is expected"
        raise ImageInvalid(msg)
    return images[0]


def _canvas(payload: memoryview) -> tuple[int, int]:
    flags, low, high, low_down, high_down = _CANVAS.unpack_from(payload)
    if flags & _ANIMATED:
        raise ImageUnsupported("the WebP is animated; one image is expected")
    return (high << 16 | low) + 1, (high_down << 16 | low_down) + 1


def _image(kind: bytes, payload: memoryview) -> tuple[int, int]:
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", payload, 6)
        return width & 0x3FFF, height & 0x3FFF
    (bits,) = struct.unpack_from("<I", payload, 1)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
