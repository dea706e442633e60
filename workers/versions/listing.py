"""What of a project's folder makes a version of it: its files with their looks, by names relative to the folder.

Left out are the state folder, the data folder, what Python compiled, and the folders of version control. Links count as
what they lead to. One that leads out of the project is followed below `code/`, as Python's imports follow it, and left
out elsewhere: it may lead to an archive of terabytes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from workers.errors import ProjectInvalid

STATE_FOLDER = ".framemill"
_APART = frozenset({STATE_FOLDER, "__pycache__", ".git", ".hg", ".svn", ".bzr", ".jj"})
_CODE = "code"
_MOST_FILES = 100_000


class Look(NamedTuple):
    """A file as it looks from outside: a change shows in one of these."""

    mtime_ns: int
    size: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Look:
        """Take it from what stat(2) says."""
        return cls(status.st_mtime_ns, status.st_size, status.st_ino)


@dataclass(slots=True)
class Listing:
    """Files and folders of a project, and in words what was left out although its author may miss it."""

    files: dict[str, Look] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def list_project(origin: Path, apart: Iterable[Path]) -> Listing:
    """List the project in the folder `origin` without the folders `apart`.

    Raises:
        ProjectInvalid: it has more files than any project needs; the message says where they are.
        OSError: the folder, or one in it, was taken away meanwhile.
    """
    lister = _Lister(os.path.realpath(origin), {place for path in apart if (place := _place(path))})
    place = _place(Path(lister.root))
    lister.list(lister.root, "", frozenset({place} if place else ()))
    return lister.found


def _place(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:  # it is not there
        return None
    return status.st_dev, status.st_ino


class _Lister:
    """Walks through one project."""

    def __init__(self, root: str, apart: set[tuple[int, int]]) -> None:
        self.root = root
        self.found = Listing()
        self._apart = apart

    def list(self, folder: str, name: str, above: frozenset[tuple[int, int]]) -> None:
        """List one folder, called `name`; `above` are itself and those that it lies in."""
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            if entry.name not in _APART:
                self._take(entry, f"{name}/{entry.name}" if name else entry.name, above)

    def _take(self, entry: os.DirEntry[str], name: str, above: frozenset[tuple[int, int]]) -> None:
        try:
            status = entry.stat()
        except OSError:
            if not entry.is_symlink():
                raise
            return  # it leads nowhere
        if entry.is_symlink() and self._leads_out(entry.path) and name.partition("/")[0] != _CODE:
            self.found.left_out.append(f"{name}, a link that leads out of the project")
            return
        place = status.st_dev, status.st_ino
        if stat.S_ISDIR(status.st_mode):
            if place not in self._apart and place not in above:
                self._take_folder(entry.path, name, above | {place})
        elif stat.S_ISREG(status.st_mode):
            self._take_file(entry.path, name, Look.of(status))

    def _take_folder(self, path: str, name: str, above: frozenset[tuple[int, int]]) -> None:
        self.found.folders.append(name)
        try:
            self.list(path, name, above)
        except PermissionError:
            self.found.left_out.append(f"{name}, or a part of it, which cannot be read")

    def _take_file(self, path: str, name: str, look: Look) -> None:
        if not os.access(path, os.R_OK):
            self.found.left_out.append(f"{name}, which cannot be read")
            return
        self.found.files[name] = look
        if len(self.found.files) > _MOST_FILES:
            msg = (
                f"the project has more than {_MOST_FILES:,} files, in {os.path.dirname(name)} among others;"  # noqa: PTH120 - a name, not a path
                " a folder that grows belongs elsewhere: name it as `data` in [project]"
            )
            raise ProjectInvalid(msg)

    def _leads_out(self, path: str) -> bool:
        return not f"{os.path.realpath(path)}/".startswith(f"{self.root}/")
