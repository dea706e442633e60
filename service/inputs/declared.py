"""What the version that runs lets operators set: read from its copy when somebody asks, never in a frame's way."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from workers.errors import NotReady, ProjectInvalid
from workers.flow.inputs import Input, inputs_of
from workers.memory.control import Control
from workers.versions.on_disk import folder_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from workers.memory.control import ControlPage


class Declared:
    """Knows the version that runs by the word of the control page; copies lie in the folders `places`."""

    def __init__(self, control: ControlPage, places: Sequence[Path]) -> None:
        self._control = control
        self._places = places
        self._lock = threading.Lock()
        self._known: tuple[str, tuple[Input, ...]] = "", ()

    @property
    def version(self) -> str:
        """Which version runs."""
        return f"{self._control.words[Control.FLOW_VERSION]:016x}"

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs of the version that runs; raises NotReady where its copy is just being exchanged."""
        version = self.version
        with self._lock:
            if self._known[0] != version:
                self._known = version, self._read(version)
            return self._known[1]

    def _read(self, version: str) -> tuple[Input, ...]:
        folder = folder_of(version, self._places)
        try:
            if folder is not None:
                return inputs_of(folder)
        except ProjectInvalid:  # it goes away
            pass
        raise NotReady("another version of the project is just taking over; ask again")
