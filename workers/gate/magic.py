"""Formats by their first bytes."""

from __future__ import annotations

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_START = b"\xff\xd8"

# A name that is also a setting (jpeg, png, bmp, tiff, webp) can be accepted; the others serve the message.
_PREFIXES: tuple[tuple[bytes, str], ...] = (
    (JPEG_START, "jpeg"),
    (PNG_SIGNATURE[:4], "png"),
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "BigTIFF"),
    (b"MM\0+", "BigTIFF"),
    (b"GIF8", "GIF"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?", "Radiance HDR"),
    (b"8BPS", "Photoshop"),
    (b"%PDF", "PDF"),
    (b"<", "XML or SVG"),
    (b"{", "JSON"),
    (b"PK", "ZIP"),
    (b"\x7fELF", "ELF"),
    (b"\x93NUMPY", "a numpy file"),
)


def recognise(data: memoryview) -> str:
    """Return the name of the format that `data` begins like, empty if none does.

    A file so short that it ends within the signature of PNG or JPEG counts as that: it is truncated.
    """
    head = bytes(data[:16])
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return "AVIF or HEIF"
    if PNG_SIGNATURE.startswith(head):
        return "png"
    if JPEG_START.startswith(head):
        return "jpeg"
    return next((name for prefix, name in _PREFIXES if head.startswith(prefix)), "")
