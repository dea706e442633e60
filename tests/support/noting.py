"""A server that notes the mark of each frame that it inspects, in a file that tests read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.running import Server, serving, write_project

NOTE = """
import os

def main(context):
    mark = context["data"]
    # one line per frame that was inspected; a single write is whole even where two workers write at once
    with open(os.environ["MARKS"], "ab", buffering=0) as marks:
        marks.write(mark.encode("utf-8", "surrogateescape") + b"\\n")
    if mark.startswith("context-bytes-"):
        context["long"] = "x" * int(mark[14:])
    context["mark"] = mark
"""


@dataclass(frozen=True, slots=True)
class Noting:
    """The running server, and where it notes marks."""

    server: Server
    path: Path

    @property
    def marks(self) -> list[str]:
        """The marks of all frames inspected so far, in that order."""
        return self.since(0)

    @property
    def noted_bytes(self) -> int:
        """How much has been noted: a place to read on from."""
        return self.path.stat().st_size

    def since(self, place: int) -> list[str]:
        """The marks noted since `noted_bytes` was `place`."""
        with self.path.open("rb") as file:
            file.seek(place)
            return file.read().decode("utf-8", "surrogateescape").split("\n")[:-1]


@pytest.fixture(scope="session")
def noting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Noting]:
    """One such server for all tests, which leave it as it was."""
    folder = tmp_path_factory.mktemp("noting")
    marks = folder / "marks"
    marks.touch()
    project = write_project(folder / "project", '[[flow]]\nmodule = "code"\nfile = "code/note.py"\n', note=NOTE)
    with serving(project, "--max-frame-mib", "24", env={"MARKS": str(marks)}) as running:
        yield Noting(running, marks)
