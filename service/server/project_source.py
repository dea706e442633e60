"""Where the server's project comes from: the folder that people edit, copied each time it is loaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from service.server.preflight import refuse_code
from workers.flow.overrides import FILE, Override, as_text, parse_overrides, read_overrides
from workers.flow.project import Project, load_project
from workers.versions.copy import Laid
from workers.versions.shelf import Shelf, places_for

if TYPE_CHECKING:
    from service.settings import Settings


class ProjectSource:
    """Loads versions of the project in `folder`; see shelf.py for where their copies lie."""

    def __init__(self, folder: Path, state_dir: Path, settings: Settings) -> None:
        self._folder = folder
        self._state_dir = state_dir
        self._settings = settings
        self._shelf = Shelf(places_for(folder, state_dir))
        self._locks: list[int] = []
        self.tidy = self._shelf.tidy
        self.tidy_apart = self._shelf.tidy_apart

    @property
    def places(self) -> tuple[Path, ...]:
        """The folders that copies may lie in."""
        return self._shelf.places

    def load(self) -> Project:
        """Copy the project as it is now, and load the copy; its data folder is made if it can be.

        Raises:
            ProjectInvalid: it has mistakes, or does not keep still.
            NoRoomForVersion: there is no room for a copy.
        """
        data = load_project(self._folder).data  # on disk first: links out of the project show only there
        with suppress(OSError):
            data.mkdir(exist_ok=True)
        return self._taken(data, read_overrides(self._state_dir / FILE))

    def load_overridden(self, running: Project, text: bytes) -> Project:
        """Copy what runs, with other thresholds; raises as `load` does."""
        return self._taken(running.data, parse_overrides(text), running.folder)

    def _taken(self, data: Path, overrides: Sequence[Override], source: Path | None = None) -> Project:
        laid = Laid(self._state_dir / FILE, as_text(overrides))
        version, lock = self._shelf.take(self._folder, (data, self._state_dir), laid, source)
        self._locks.append(lock)  # until whoever runs the version holds it
        project = load_project(version.folder, self._folder, version.id, overrides=overrides)
        refuse_code(project, self._settings)
        return project

    def let_go(self) -> None:
        """Leave what was loaded to whoever holds it too."""
        while self._locks:
            os.close(self._locks.pop())
