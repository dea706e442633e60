"""Files that are new: neither one that was there is written to, nor what a link that somebody put there points at."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def new_file(name: Path | str, mode: int, *, folder_fd: int | None = None) -> BinaryIO:
    """Make a file and open it for writing; `name` is meant in the folder `folder_fd`, if given. Raises OSError."""
    return os.fdopen(os.open(name, _NEW, mode, dir_fd=folder_fd), "wb")


@contextlib.contextmanager
def replacing(path: Path, mode: int) -> Iterator[BinaryIO]:
    """Open what will be the file at `path` once the block has ended well; until then, and else, nothing changes there.

    Who reads sees all of the old one or all of the new one, after a loss of power too. Raises OSError.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)  # of a process that had the same number and was killed
    try:
        with new_file(fresh, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        with contextlib.suppress(OSError):  # some file systems cannot do it for a folder; the file is whole in any case
            _make_last(path.parent)
    finally:
        fresh.unlink(missing_ok=True)


def _make_last(folder: Path) -> None:
    """Have the names in `folder` written to the disk as they are now."""
    folder_fd = os.open(folder, _FOLDER)
    try:
        os.fsync(folder_fd)
    finally:
        os.close(folder_fd)
