"""A process that does lessons: `python -I -m workers.teaching.lesson_process PARENT`.

It is told lessons on its standard input, and says how far it is on its standard output, a line of JSON each; what it
found lies in the lesson's folder.
"""

from __future__ import annotations

import os
import sys
import time

from workers.containment.streams import speak_through
from workers.errors import FramemillError
from workers.teaching.lesson import Lesson, Progress
from workers.this_process import be_first_to_go, die_with_parent

_SAY_S = 0.1


def main() -> None:
    """Be such a process, until nothing more is told or a lesson fails."""
    die_with_parent(int(sys.argv[1]))
    be_first_to_go()
    told, saying = os.fdopen(os.dup(0), "rb"), _Saying(os.dup(1))
    speak_through(os.dup(2))
    try:
        # OpenBLAS must be told to have no threads before numpy is imported, which what follows does
        from workers.worker.preload import calm_down  # noqa: PLC0415

        calm_down()
        from workers.teaching.doing import do  # noqa: PLC0415

        for line in told:
            do(Lesson.model_validate_json(line), saying.say)
            saying.write(Progress(done=True))
    except Exception as error:  # noqa: BLE001 - whatever a method raises is told
        why = error.message if isinstance(error, FramemillError) else f"{type(error).__name__}: {error}"
        saying.write(Progress(failed=why))
        sys.exit(1)


class _Saying:
    """Says how far the lesson is, some times a second."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._said_s = 0.0

    def say(self, doing: str, share: float) -> None:
        if time.monotonic() - self._said_s > _SAY_S:
            self._said_s = time.monotonic()
            self.write(Progress(doing=doing, share=min(1.0, max(0.0, share))))

    def write(self, progress: Progress) -> None:
        os.write(self._fd, progress.model_dump_json().encode() + b"\n")


if __name__ == "__main__":
    main()
