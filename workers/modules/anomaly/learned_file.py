"""The file in which a project keeps what an `anomaly` module has learned: arrays and what is known about them.

It is a .npz without pickles: `about` is JSON as uint8, `keep.NAME` are the arrays of the method.
"""

from __future__ import annotations

import io
import math
import os
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from workers.errors import ProjectInvalid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.modules.anomaly.method import Arrays

FORMAT = 1
OTHER_SIZE = 4  # times the area that was taught, or a share of it: another camera, or another region
_KEEP = "keep."


@dataclass(frozen=True, slots=True)
class About:
    """What a file says of itself.

    `threshold` is the score from which a picture is NOK, so that of good pictures that were held out a share of
    `false_alarms` would be. `good` are SHA-256 sums of the pictures that it was taught with; `held_out` are the scores
    of the held-out ones, `drawn` those of the same with a defect drawn into each.
    """

    method: str
    threshold: float
    false_alarms: float
    seed: int
    image_px: tuple[int, int]
    channels: int
    backbone: str = ""
    why: str = ""
    good: list[str] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)
    drawn: list[float] = field(default_factory=list)


def is_of_other_size(image_px: tuple[int, int], taught_px: tuple[int, int]) -> bool:
    """Tell whether a picture of `image_px`, width and height, is too large or too small for what was taught."""
    times = math.prod(image_px) / math.prod(taught_px)
    return not 1 / OTHER_SIZE <= times <= OTHER_SIZE


def write_learned(path: Path, about: About, arrays: Arrays) -> None:
    """Write `path` anew, `arrays` of any shape (1-D too): whole or not at all. Raises OSError, which names the file."""
    content = io.BytesIO()
    said = np.frombuffer(orjson.dumps({"format": FORMAT, **asdict(about)}), np.uint8)
    stored: dict[str, Any] = {"about": said, **{_KEEP + name: value for name, value in arrays.items()}}
    np.savez(content, **stored)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    try:
        with new.open("wb") as file:
            file.write(content.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:  # a disk that is full does not say where
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        new.unlink(missing_ok=True)


def read_learned(path: Path, shown: str) -> tuple[About, dict[str, NDArray[Any]]]:
    """Return what was written, arrays of any shape (1-D too); `shown` is how messages call the file.

    Raises:
        ProjectInvalid: it cannot be read, or holds something else.
    """
    try:
        # of a file that is none numpy leaves the handle open
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            said = orjson.loads(file["about"].tobytes())
            kept = {name.removeprefix(_KEEP): file[name] for name in file.files if name.startswith(_KEEP)}
        if said.pop("format") != FORMAT:
            msg = f"{shown} was written by another version of framemill; train it again: framemill train"
            raise ProjectInvalid(msg)
        return About(**{**said, "image_px": tuple(said["image_px"])}), kept
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        msg = f"{shown} holds nothing that `framemill train` has written: {type(error).__name__}: {error}"
        raise ProjectInvalid(msg) from None
