"""What the recorder tells fronts, for status and metrics: a page in memory that outlives it; no file, no disk."""

from __future__ import annotations

import enum
import os
import struct
from typing import Any, NamedTuple, Self

_PAGE = struct.Struct("=QQQQ256s")
_OF_PICTURES = struct.Struct("=QQQQQQ128s")
_OF_PICTURES_AT = 2048


class State(enum.IntEnum):
    """What it is about."""

    STARTING = 0
    RECORDING = 1
    WAITING = 2  # for the database, or its disk


class Told(NamedTuple):
    """The page: since the server's start `recorded` frames, `missed` ones, `failures` of the database."""

    state: State = State.STARTING
    recorded: int = 0
    missed: int = 0
    failures: int = 0
    error: str = ""

    @classmethod
    def read(cls, fd: int) -> Told:
        """Read it."""
        state, recorded, missed, failures, error = _PAGE.unpack(os.pread(fd, _PAGE.size, 0))
        return cls(State(state), recorded, missed, failures, error.rstrip(b"\0").decode("utf-8", "ignore"))

    def write(self, fd: int) -> None:
        """Write it."""
        error = self.error.encode("utf-8", "replace")
        os.pwrite(fd, _PAGE.pack(self.state, self.recorded, self.missed, self.failures, error), 0)

    def document(self, *, is_there: bool) -> dict[str, Any]:
        """Return it as status has it; `is_there` whether the recorder follows."""
        state = "away" if self.state is not State.STARTING and not is_there else self.state.name.lower()
        found = {**self._asdict(), "state": state}
        return found if self.state is State.WAITING else {key: value for key, value in found.items() if key != "error"}


class PicturesTold(NamedTuple):
    """What fronts are told: since the server's start `kept` and `lost` ones, and what `made_room` for others.

    `bytes` are those of all that are kept, `held_bytes` wait to be written. `trouble` is why the last one was lost,
    empty once one was kept again.
    """

    kept: int = 0
    lost: int = 0
    made_room: int = 0
    bytes: int = 0
    held_bytes: int = 0
    free_bytes: int = 0
    trouble: str = ""

    @classmethod
    def read(cls, fd: int) -> Self:
        """Read it; nothing has happened where nothing is there."""
        found = os.pread(fd, _OF_PICTURES.size, _OF_PICTURES_AT)
        if len(found) < _OF_PICTURES.size:
            return cls()
        *numbers, trouble = _OF_PICTURES.unpack(found)
        return cls._make((*numbers, trouble.rstrip(b"\0").decode("utf-8", "ignore")))

    def write(self, fd: int) -> None:
        """Write it."""
        *numbers, trouble = self
        os.pwrite(fd, _OF_PICTURES.pack(*numbers, trouble.encode("utf-8", "replace")), _OF_PICTURES_AT)

    def document(self) -> dict[str, Any]:
        """Return it as status has it."""
        found = self._asdict()
        return found if self.trouble else {key: value for key, value in found.items() if key != "trouble"}


def create_page() -> int:
    """Make one; raises OSError."""
    fd = os.memfd_create("framemill-recorder")
    Told().write(fd)
    return fd
