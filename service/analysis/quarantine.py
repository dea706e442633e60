"""Frames that ended two workers, kept for inspection: the newest few, with what was asked of them."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import orjson

from service.safe_files import new_file

if TYPE_CHECKING:
    from pathlib import Path

    from workers.pool.job import Job

_log = logging.getLogger(__name__)
_KEPT = 16
_ENDINGS = (".frame", ".json")
# a link in its place is not followed
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Quarantine:
    """A bounded folder; a full or read-only disk costs the copy, never the answer.

    Only the server's own user can read it, for frames may show people.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, job: Job, frame: memoryview) -> bool:
        """Write the frame and its job under the same name, `.frame` and `.json`, and drop the oldest beyond 16.

        Returns whether it could be kept.
        """
        name = f"{time.time_ns()}"
        asked = {**asdict(job), "inputs": job.inputs.decode()}
        try:
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            folder_fd = os.open(self._folder, _FOLDER)
            try:
                _drop_oldest(folder_fd)
                _write(folder_fd, f"{name}.frame", frame)
                _write(folder_fd, f"{name}.json", orjson.dumps(asked))
            finally:
                os.close(folder_fd)
        except OSError as error:
            _log.error("a frame that ended two workers could not be kept: %s", error)
            return False
        _log.error("a frame ended two workers; it is kept as %s in the quarantine folder", name)
        return True


def _write(folder_fd: int, name: str, content: memoryview | bytes) -> None:
    with new_file(name, 0o600, folder_fd=folder_fd) as file:
        file.write(content)


def _drop_oldest(folder_fd: int) -> None:
    """Make room for one more, halves included that a full disk has left."""
    names = {name.partition(".")[0] for name in os.listdir(folder_fd) if name.endswith(_ENDINGS)}
    for name in sorted(names)[: 1 - _KEPT]:
        for ending in _ENDINGS:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{name}{ending}", dir_fd=folder_fd)
