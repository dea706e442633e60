"""A look at all files of pictures, some at a time: how many bytes they are, and which nobody knows."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from service.history.schema.tables import PICTURES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from service.history.pictures.folder import Found, PictureFolder

_log = logging.getLogger(__name__)

_PAUSE_S = 600.0
_FILES = 2000  # at a time
_AT_ONCE = 500
_FORGOTTEN_S = 600.0  # of a file without a row: another server that ends may still write that


class Looking:
    """`total_bytes` is None until all were looked at once; what comes and goes meanwhile is to be added."""

    def __init__(self, folder: PictureFolder) -> None:
        self._folder = folder
        self._files: Iterator[Found] | None = None
        self._begun_s = float("-inf")
        self._found_bytes = 0
        self.total_bytes: int | None = None

    def add(self, size_bytes: int) -> None:
        """Be told of files that came, or went."""
        self._found_bytes += size_bytes
        if self.total_bytes is not None:
            self.total_bytes = max(0, self.total_bytes + size_bytes)

    def look(self, transaction: Callable[[], AbstractContextManager[Connection]]) -> bool:
        """Look on, or begin anew where the last look was long ago; whether it begins."""
        begins = self._files is None
        if self._files is None:
            if time.monotonic() - self._begun_s < _PAUSE_S:
                return False
            self._begun_s, self._found_bytes, self._files = time.monotonic(), 0, self._folder.tidy()
        some = [found for _, found in zip(range(_FILES), self._files, strict=False)]
        self._found_bytes += sum(one.size_bytes for one in some)
        if old := {one.file: one for one in some if one.age_s > _FORGOTTEN_S}:
            with transaction() as connection:
                self._end_forgotten(connection, old)
        if len(some) < _FILES:
            self.total_bytes, self._files = max(0, self._found_bytes), None
        return begins

    def _end_forgotten(self, connection: Connection, files: dict[str, Found]) -> None:
        names = [*files]
        for begin in range(0, len(names), _AT_ONCE):
            known = select(PICTURES.c.file).where(PICTURES.c.file.in_(names[begin : begin + _AT_ONCE]))
            for file in connection.scalars(known):
                del files[file]
        for one in files.values():
            self._folder.remove(one.file)
            self._found_bytes -= one.size_bytes
        if files:
            _log.warning("%d pictures that no frame of the history has were taken away", len(files))
