"""The golden images of one project: found by name, decoded once, kept as long as there is room.

A request's data may choose the image. It is a client's text, so it may be one name only, never a way to another folder.
"""

from __future__ import annotations

import glob
from collections import OrderedDict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workers.modules.project_image import ImageUnusable, project_image
from workers.modules.reference.golden import Golden
from workers.modules.reference.options import DATA, ReferenceOptions
from workers.text import shown

_MAX_KEPT = 64
_MAX_KEPT_BYTES = 256 << 20  # of each worker; some 55 grey images of 1920x1024, or 30 in colour


class GoldenError(Exception):
    """There is no such golden image, or it cannot be used; the text says which and why, in words for a client."""


class GoldenFiles:
    """Golden images by the request's data; the least recently used give way."""

    def __init__(
        self, options: ReferenceOptions, project: Path, *, kept: int = _MAX_KEPT, kept_bytes: int = _MAX_KEPT_BYTES
    ) -> None:
        """Look in the folder `project`; raises GoldenError where nothing there fits the option `image`."""
        self._options = options
        self._project = project.resolve()
        self._kept = kept
        self._kept_bytes = kept_bytes
        self._goldens: OrderedDict[str, Golden] = OrderedDict()
        if DATA not in options.image:
            self.golden("")
        elif not any(path.is_file() for path in self._project.glob(glob.escape(options.image).replace(DATA, "*"))):
            msg = f"no file in the project fits {options.image}, whatever the data; there must be one at least"
            raise GoldenError(msg)

    def golden(self, data: str) -> Golden:
        """Return the golden image for `data`; raises GoldenError where there is none."""
        file = self._file(data)
        found = self._goldens.get(file)
        if found is None:
            found = self._goldens[file] = Golden(self._decoded(file), self._options)
            self._make_room()
        self._goldens.move_to_end(file)
        return found

    def _file(self, data: str) -> str:
        if DATA not in self._options.image:
            return self._options.image
        if not data or ".." in data or any(sign in data for sign in "/\\\0"):
            msg = f"data is {shown(data)}, expected the name of a golden image, without slashes and '..'"
            raise GoldenError(msg)
        return self._options.image.replace(DATA, data)

    def _decoded(self, file: str) -> NDArray[np.uint8]:
        """Return the pixels of `file`, (h, w, 3) BGR uint8."""
        try:
            return project_image(self._project, file, "golden image")
        except ImageUnusable as error:
            raise GoldenError(str(error)) from None

    def _make_room(self) -> None:
        """Forget the least recently used, but never the last one."""
        while len(self._goldens) > 1 and (len(self._goldens) > self._kept or self._held_bytes() > self._kept_bytes):
            self._goldens.popitem(last=False)

    def _held_bytes(self) -> int:
        return sum(golden.n_bytes for golden in self._goldens.values())
