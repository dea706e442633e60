"""Files that are new: neither one that was there is written to, nor what a link that somebody put there points at."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def new_file(name: Path | str, mode: int, *, folder_fd: int | None = None) -> BinaryIO:
    """Make a file and open it for writing; `name` is meant in the folder `folder_fd`, if given. Raises OSError."""
    return os.fdopen(os.open(name, _NEW, mode, dir_fd=folder_fd), "wb")
