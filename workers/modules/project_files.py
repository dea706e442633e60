"""Files that a project names, found without opening more of them than it must."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

_MOST_CANDIDATES = 5000  # files looked at for a "did you mean"

_Made = TypeVar("_Made")


class ProjectFiles:
    """The files of one project, while it is read: `folder` is its own, absolute."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._shared: dict[Callable[[Path], Any], Any] = {}

    def shared(self, make: Callable[[Path], _Made]) -> _Made:
        """Return what `make` makes of the folder: the same for all modules of this project."""
        if make not in self._shared:
            self._shared[make] = make(self.folder)
        made: _Made = self._shared[make]
        return made


def meant(wrong: str, right: Iterable[str]) -> str:
    """Return "; did you mean ...?" where one of `right` is close to `wrong`, or nothing."""
    close = difflib.get_close_matches(wrong, right, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def find_file(project: Path, file: str) -> Path:
    """Return the path of `file`, given relative to the folder `project`; raises ValueError where it is not there."""
    path = project / file
    try:
        inside = path.resolve().is_relative_to(project.resolve())
    except (OSError, ValueError) as error:
        msg = f"{file!r} cannot be a path: {error}"
        raise ValueError(msg) from None
    if not inside or PurePosixPath(file).is_absolute():
        msg = f"{file} lies outside of the project; paths are relative to its folder and stay inside"
        raise ValueError(msg)
    if path.is_dir():
        msg = f"{file} is a folder, expected a file"
        raise ValueError(msg)
    if not path.is_file():
        found = itertools.islice(project.rglob(f"*{path.suffix}"), _MOST_CANDIDATES)
        names = [other.relative_to(project) for other in found if other.is_file()]
        others = [str(name) for name in names if not name.parts[0].startswith(".")]
        msg = f"{file} does not exist in the project{meant(file, others)}"
        raise ValueError(msg)
    return path
