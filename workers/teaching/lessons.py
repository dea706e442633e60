"""Lessons done in processes, as many at a time as there are cores. Nothing of them is left where one fails or somebody
breaks off.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from workers.errors import FramemillError
from workers.isolated import isolated
from workers.teaching.lesson import LOOKED, Lesson, Looked, Progress

if TYPE_CHECKING:
    from pathlib import Path

_PIECE_BYTES = 1 << 16
_LAST_WORDS = 2000
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # processes are as many as there are cores

Tell = Callable[[str, float], None]
"""Told what is being done and how much of the whole is done, 0 to 1."""


class LessonFailed(FramemillError):
    """A method could not learn or look, or its process was ended; the message says what it said."""

    code = "lesson_failed"


class Part(NamedTuple):
    """Which part of a bar is for some lessons: from where, and how much of it, both 0 to 1."""

    begins: float
    share: float


def do_lessons(lessons: Sequence[Lesson], processes: int, part: Part, tell: Tell) -> list[Looked]:
    """Do all of them and return what each has found, in their order.

    Raises:
        LessonFailed: one of them did not come to its end.
        OSError: the machine refuses a process.
    """
    waiting = deque(enumerate(lessons))
    shares = [0.0] * len(lessons)
    running: dict[int, _Running] = {}
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or running:
                while waiting and len(running) < max(1, processes):
                    number, lesson = waiting.popleft()
                    running[number] = _Running(lesson)
                    selector.register(running[number].said_fd, selectors.EVENT_READ, number)
                for key, _ in selector.select():
                    one = running[key.data]
                    doing = one.hear()
                    shares[key.data] = one.share
                    if one.has_ended:
                        selector.unregister(key.fd)
                        del running[key.data]
                        one.end()
                        shares[key.data] = 1.0
                    tell(doing, part.begins + part.share * sum(shares) / len(shares))
        finally:
            for one in running.values():
                one.kill()
    return [_read(lesson.found) for lesson in lessons]


class _Running:
    """A process at its lesson, in a session of its own: Ctrl-C is for whoever started it."""

    def __init__(self, lesson: Lesson) -> None:
        self._words_fd = os.memfd_create("framemill-lesson")
        self._process = subprocess.Popen(
            isolated("-m", "workers.teaching.lesson_process", str(os.getpid())),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words_fd,
            start_new_session=True,
            bufsize=0,
            env={**os.environ, **_ONE_THREAD},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._told, self._said = self._process.stdin, self._process.stdout
        self._left = b""
        self._doing = self._failed = ""
        self.share = 0.0
        self.has_ended = False
        with contextlib.suppress(BrokenPipeError):  # it has ended, and that is noticed by its end
            self._told.write(lesson.model_dump_json().encode() + b"\n")

    @property
    def said_fd(self) -> int:
        """The end of the pipe that it speaks through."""
        return self._said.fileno()

    def hear(self) -> str:
        """Read what it has said; returns what it does now."""
        piece = os.read(self.said_fd, _PIECE_BYTES)
        self.has_ended = not piece
        *lines, self._left = (self._left + piece).split(b"\n")
        for line in lines:
            progress = Progress.model_validate_json(line)
            self._doing, self.share = progress.doing or self._doing, max(self.share, progress.share)
            self._failed = progress.failed or self._failed
        return self._doing

    def end(self) -> None:
        """Wait for its end; raises LessonFailed where that was none as it should be."""
        status = self._process.wait()
        words = os.pread(self._words_fd, _LAST_WORDS, max(0, os.fstat(self._words_fd).st_size - _LAST_WORDS))
        self._close()
        if status == 0:
            return
        how = f"its process died of {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        raise LessonFailed(self._failed or f"{how}\n{words.decode('utf-8', 'backslashreplace')}".strip())

    def kill(self) -> None:
        """End it at once, with all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._close()

    def _close(self) -> None:
        self._told.close()
        self._said.close()
        os.close(self._words_fd)


def _read(folder: Path) -> Looked:
    return Looked.model_validate_json((folder / LOOKED).read_bytes())
