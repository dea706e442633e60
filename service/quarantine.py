"""Frames that ended two workers, kept for inspection: the newest few, with what was asked of them."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from pathlib import Path

    from workers.job import Job

_log = logging.getLogger(__name__)
_KEPT = 16


class Quarantine:
    """A bounded folder; a full or read-only disk costs the copy, never the answer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, job: Job, frame: memoryview) -> bool:
        """Write the frame and its job under the same name, `.frame` and `.json`, and drop the oldest beyond 16.

        Returns whether it could be kept.
        """
        name = f"{time.time_ns()}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / f"{name}.frame").write_bytes(frame)
            (self._folder / f"{name}.json").write_bytes(orjson.dumps(asdict(job)))
            for old in sorted(self._folder.glob("*.json"))[:-_KEPT]:
                old.with_suffix(".frame").unlink(missing_ok=True)
                old.unlink(missing_ok=True)
        except OSError as error:
            _log.error("a frame that ended two workers could not be kept: %s", error)
            return False
        _log.error("a frame ended two workers; it is kept as %s in the quarantine folder", name)
        return True
