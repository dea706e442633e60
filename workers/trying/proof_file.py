"""The file in memory between the supervisor and a fork that tries the frames of a proof.

::

    {"frames": [{"path": ..., "data": ..., "judged_by": 2}, ...]}\n      asked, by the supervisor
    {"number": 2, "wrong": ["is OK, expected NOK"], "bytes": 4711}\n     found, for a frame that is to be shown:
    4711 bytes, a message of try_messages.py                              its context and its picture
    ...

This file imports neither OpenCV nor numpy.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from pydantic import BaseModel

from workers.text import Told

_FIRST_LINE_BYTES = 1 << 24


class ProofFrame(BaseModel):
    """A frame to try: its file, what a client would say with it, and which table [[proof]] it is judged by.

    One that nobody judges is shown.
    """

    path: str
    told: Told = Told()
    judged_by: int | None = None


class ProofRequest(BaseModel):
    """What such a fork is to do."""

    frames: list[ProofFrame]

    def write(self, fd: int) -> None:
        """Write it to the file, which is empty."""
        write_all(fd, self.model_dump_json().encode() + b"\n")

    @classmethod
    def read(cls, fd: int) -> ProofRequest:
        """Read it; where the file stands does not change."""
        return cls.model_validate_json(os.pread(fd, _FIRST_LINE_BYTES, 0).partition(b"\n")[0])


class Found(BaseModel):
    """The line before a message: which of the frames it is of, what is wrong with it, how long the message is."""

    number: int
    wrong: list[str]
    bytes: int


def read_found(fd: int) -> Iterator[tuple[Found, bytearray]]:
    """Yield what was found, with its message; what was not written to its end is left out."""
    with open(os.dup(fd), "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        file.seek(0)
        file.readline()
        while (line := file.readline()).startswith(b'{"number"'):
            found = Found.model_validate_json(line)
            message = bytearray(file.read(found.bytes))
            if len(message) < found.bytes:
                return
            yield found, message


def write_all(fd: int, content: bytes) -> None:
    """Write all of it."""
    left = memoryview(content)
    while left:
        left = left[os.write(fd, left) :]
