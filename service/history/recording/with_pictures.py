"""What recording does for pictures, or does not where none are kept."""

from __future__ import annotations

import gc
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from service.history.pictures.folder import PictureFolder
    from service.history.pictures.keeping import Keeping
    from service.history.pictures.tending import Tending
    from service.history.writing.own import PictureFile
    from service.history.writing.store import Store


class Pictures(Protocol):
    """Called by the thread that writes records; may raise what is_trouble knows."""

    def begin_in(self, store: Store) -> Store:
        """Have the rows of pictures written with their frames by `store`, which is returned."""

    def begin(self, store: Store) -> None:
        """Begin."""

    def tend(self, store: Store, recorded_to: Mapping[int, int]) -> None:
        """Do what is due; of each front the records up to `recorded_to` are in the database, or never will be."""

    def make_room(self, store: Store) -> None:
        """Take old ones away, if that is how the disk has room again; raises nothing."""

    def end_with_frames(self, files: Sequence[PictureFile]) -> None:
        """Take files away whose frames are no more."""

    def end(self) -> None:
        """Write what is held; a last `tend` follows."""


class NoPictures:
    """Where none are kept: those of former times go with their frames."""

    def __init__(self, folder: PictureFolder) -> None:
        self._folder = folder

    def begin_in(self, store: Store) -> Store:
        """See Pictures."""
        return store

    def begin(self, store: Store) -> None:
        """See Pictures."""

    def tend(self, store: Store, recorded_to: Mapping[int, int]) -> None:
        """See Pictures."""

    def make_room(self, store: Store) -> None:
        """See Pictures."""

    def end_with_frames(self, files: Sequence[PictureFile]) -> None:
        """See Pictures."""
        for one in files:
            with suppress(OSError):
                self._folder.remove(one.file)

    def end(self) -> None:
        """See Pictures."""


class KeptPictures:
    """Where some are kept."""

    def __init__(self, keeping: Keeping, tending: Tending) -> None:
        self._keeping = keeping
        self._tending = tending
        self._is_loaded = False

    def begin_in(self, store: Store) -> Store:
        """See Pictures."""
        return store.keep_pictures(self._keeping.why)

    def begin(self, store: Store) -> None:
        """See Pictures."""
        self._tending.begin(store)
        if not self._is_loaded:
            # all of SQLAlchemy, OpenCV and numpy is loaded by now: to look through it takes the collector 40 ms, in
            # which nobody copies frames out of their slots
            gc.freeze()
            self._is_loaded = True

    def tend(self, store: Store, recorded_to: Mapping[int, int]) -> None:
        """See Pictures."""
        self._tending.tend(store, recorded_to)

    def make_room(self, store: Store) -> None:
        """See Pictures."""
        with suppress(Exception):  # its caller is about to tell of the same trouble
            self._tending.make_room(store)

    def end_with_frames(self, files: Sequence[PictureFile]) -> None:
        """See Pictures."""
        self._tending.end_with_frames(files)

    def end(self) -> None:
        """See Pictures."""
        self._keeping.end()
