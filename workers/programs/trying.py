"""A project tried on pictures without a server: what tests of a project's own code call (docs/code.md).

from workers.programs.trying import TriedProject

project = TriedProject("/etc/framemill/project")
assert project.inspect("good_part.png").context["result"]
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
import orjson

from workers.flow.inputs import packed
from workers.flow.project import load_project
from workers.pool.job import Encoding, Job, ResponseType
from workers.settings import PoolSettings
from workers.trying.loaded import LoadedProject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_FORMATS = {1: "Mono8", 3: "BGR8"}


class Tried(NamedTuple):
    """What a client would have had: the context, and the annotated picture, (h, w, 3) BGR uint8."""

    context: dict[str, Any]
    annotated: NDArray[np.uint8]


class TriedProject:
    """A project, loaded as a worker loads it, in this process and from the folder itself.

    `inputs` are what operators have set, by name; defaults hold for the others. `settings` are those that a worker
    looks at: limits of time, context and images.

    Raises:
        ProjectInvalid: the project has mistakes, its code cannot be imported, or it takes no such input.
    """

    def __init__(self, folder: Path | str, *, inputs: Mapping[str, object] | None = None, **settings: Any) -> None:
        project = load_project(Path(folder))
        given = packed(project.inputs, inputs or {})
        self._loaded = LoadedProject.load(project, PoolSettings(**settings))
        self._loaded.inputs = given

    def inspect(
        self, picture: Path | str | NDArray[np.uint8], data: str = "", camera: str = "", view: str = ""
    ) -> Tried:
        """Inspect a file, or pixels: (h, w) grey or (h, w, 3) BGR, uint8; `data` is what a client sends with it.

        `camera` is which camera it says has sent it, `view` which view of a part it says that it is.

        Raises FramemillError where a client would have had an error instead of a context.
        """
        job, frame = _asked(picture, data)
        answered = self._loaded.inspect(replace(job, camera=camera, view=view), frame)
        drawn = np.frombuffer(answered.picture, np.uint8)
        annotated: NDArray[np.uint8] = cv2.imdecode(drawn, cv2.IMREAD_COLOR)  # type: ignore[assignment]  # a PNG of ours
        return Tried(orjson.loads(answered.context), annotated)

    def close(self) -> None:
        """Have the project's code do what a worker has it do at its end: `stop()`; `atexit` runs at that of Python."""
        self._loaded.stop()


def _asked(picture: Path | str | NDArray[np.uint8], data: str) -> tuple[Job, bytes]:
    response = ResponseType.ANNOTATED_IMAGE
    if isinstance(picture, Path | str):
        return Job(encoding=Encoding.ENCODED, response=response, data=data), Path(picture).read_bytes()
    channels = 1 if picture.ndim == 2 else picture.shape[2]
    if picture.dtype != np.uint8 or channels not in _FORMATS:
        msg = f"a picture is (h, w) grey or (h, w, 3) BGR of uint8, got {picture.shape} of {picture.dtype}"
        raise ValueError(msg)
    height, width = picture.shape[:2]
    job = Job(response=response, width=width, height=height, pixel_format=_FORMATS[channels], data=data)
    return job, picture.tobytes()
