"""Where relative names of user code lead: `open("rows.csv", "a")` is the same file wherever the server was started.

That is the project's data folder, the one place where code may write. It is made where it is missing. Where it cannot
be made the project itself takes its place: nothing can be written there, and an attempt says where it can.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_log = logging.getLogger(__name__)


def working_folder(data: Path, project: Path) -> Path:
    """Return the folder for a process that runs code of the project in `project`, whose data folder is `data`."""
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _log.warning("the data folder %s cannot be made: %s; code can write nowhere", data, error.strerror or error)
        return project
    return data


@contextmanager
def working_in(folder: Path | None) -> Iterator[None]:
    """Be in `folder` inside of the block, for a process that is not the project's own; None changes nothing."""
    before = None
    with suppress(OSError):  # the folder that this process is in may be gone
        before = os.getcwd()  # noqa: PTH109 - Path.cwd() is five times as slow
    if folder is not None:
        os.chdir(folder)
    try:
        yield
    finally:
        if folder is not None and before is not None:
            os.chdir(before)
