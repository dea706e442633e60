"""An image that a project names, decoded as a frame is: behind the gate, and in stored pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.errors import FramemillError
from workers.gate import ImageLimits
from workers.pixels.encoded import decode_image
from workers.pixels.frame_form import WHOLE
from workers.text import shown

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from workers.pixels.frame_form import FrameForm

_USUAL = ImageLimits()


class ImageUnusable(Exception):
    """There is no such image in the project, or it cannot be used; the text says which and why, in public words."""


def project_image(
    project: Path, file: str, what: str, form: FrameForm = WHOLE, limits: ImageLimits = _USUAL
) -> NDArray[np.uint8]:
    """Return the pixels of `file` in the folder `project`, (h, w, 3) BGR uint8, or as `form` says.

    `what` it is to the project is for the text of ImageUnusable, which is raised where there are none, or where the
    file is beyond `limits`.
    """
    try:
        folder = project.resolve()
        path = (folder / file).resolve()
        # a pipe would block for ever
        content = path.read_bytes() if path.is_relative_to(folder) and path.is_file() else None
    except (OSError, ValueError, RuntimeError):
        # a name that no file can have is a ValueError, a circle of links a RuntimeError
        content = None
    if content is None:
        msg = f"there is no {what} {shown(file)} in the project that can be read"
        raise ImageUnusable(msg)
    try:
        return decode_image(memoryview(content), limits, form=form)
    except FramemillError as error:
        msg = f"the {what} {shown(file)} cannot be used: {error.message}"
        raise ImageUnusable(msg) from None
