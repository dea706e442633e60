"""What a TIFF decodes to where no other format is let in."""

from __future__ import annotations

from tests.image_files.kinds import Pixels
from workers.gate import ImageLimits
from workers.pixels.encoded import decode_image

LIMITS = ImageLimits(formats=frozenset({"tiff"}))


def decoded(file: bytes) -> Pixels:
    return decode_image(memoryview(file).toreadonly(), LIMITS)
