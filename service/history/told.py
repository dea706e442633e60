"""What the recorder tells fronts, for status and metrics: a page in memory that outlives it; no file, no disk."""

from __future__ import annotations

import enum
import os
import struct
from typing import Any, NamedTuple

_PAGE = struct.Struct("=QQQQ256s")


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


def create_page() -> int:
    """Make one; raises OSError."""
    fd = os.memfd_create("framemill-recorder")
    Told().write(fd)
    return fd
