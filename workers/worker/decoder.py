"""A frame's bytes become the image that its flow wants: of any encoding, in the project's form."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from workers.errors import ImageInvalid
from workers.gate import ImageHeader, ImageLimits, inspect
from workers.mending.mend import mend
from workers.pixels.deep import raw_deep, wants_deep
from workers.pixels.encoded import decode_frame
from workers.pixels.pixel_format import pixel_format
from workers.pixels.raw import raw_to_bgr, raw_to_grey
from workers.pixels.reduce import in_form
from workers.pixels.scratch import Scratch
from workers.pool.job import Encoding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.pixels.frame_form import FrameForm
    from workers.pool.job import Job


class DecodedFrame(NamedTuple):
    """A decoded frame: (h, w) grey or (h, w, 3) BGR, uint8, or uint16 of `bits`; the rest as `Decoded` has it."""

    image: NDArray[np.uint8] | NDArray[np.uint16]
    bits: int = 8
    damage: str = ""
    notes: tuple[str, ...] = ()


class Decoder:
    """Decodes one frame after another into the same memory."""

    def __init__(self, form: FrameForm, limits: ImageLimits) -> None:
        self._form = form
        self._limits = limits
        self._scratch = Scratch()

    def decode(self, job: Job, request: memoryview) -> DecodedFrame:
        """Decode what is in `request`; nobody may write to the image, which is valid until the next call."""
        if job.encoding is Encoding.ENCODED:
            image, damage, notes = decode_frame(request, self._limits, self._scratch, self._form)
            frame = DecodedFrame(image, 8 * image.itemsize, damage, notes)
        else:
            frame = self._converted(job, np.frombuffer(request, np.uint8))
        # user code gets a copy, or this view, which nobody may write to: a frame must be repeatable
        view = frame.image.view()
        view.flags.writeable = False
        return frame._replace(image=view)

    def _converted(self, job: Job, pixels: NDArray[np.uint8]) -> DecodedFrame:
        form, scratch, size = self._form, self._scratch, (job.width, job.height)
        wanted = pixel_format(job.pixel_format)
        if wants_deep(form, wanted):
            deep = raw_deep(pixels, wanted, size, scratch, grey=form.grey)
            return DecodedFrame(in_form(deep, form, scratch), wanted.bits)
        convert = raw_to_grey if form.grey else raw_to_bgr
        return DecodedFrame(in_form(convert(pixels, wanted, *size, scratch), form, scratch))

    def header(self, file: memoryview) -> ImageHeader:
        """Read what an image file says of itself."""
        try:
            return inspect(file, self._limits)
        except ImageInvalid:
            if not self._limits.lenient:
                raise
            return mend(file, self._limits)[0]
