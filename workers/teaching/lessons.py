"""Lessons done by processes, as many as there are cores; none is left where one fails or somebody breaks off."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Self

from workers.errors import FramemillError
from workers.isolated import ONE_THREAD, isolated
from workers.teaching.lesson import LOOKED, Lesson, Looked, Progress

if TYPE_CHECKING:
    from pathlib import Path

_PIECE_BYTES = 1 << 16
_LAST_WORDS = 2000
_END_S = 5.0

Tell = Callable[[str, float], None]
"""Told what is being done and how much of the whole is done, 0 to 1."""


class LessonFailed(FramemillError):
    """A method could not learn or look, or its process was ended; the message says what it said."""

    code = "lesson_failed"


class Part(NamedTuple):
    """Which part of a bar is for some lessons: from where, and how much of it, both 0 to 1."""

    begins: float
    share: float


class LessonPool:
    """The processes; use it in a `with`, which ends them."""

    def __init__(self, processes: int) -> None:
        self._most = max(1, processes)
        self._members: list[_Member] = []

    def __enter__(self) -> Self:
        """Begin; a process is started once there is something for it."""
        return self

    def __exit__(self, *_: object) -> None:
        """End them at once: what is done lies in folders."""
        for member in self._members:
            member.kill()
        self._members.clear()

    def do(self, lessons: Sequence[Lesson], part: Part, tell: Tell) -> list[Looked]:
        """Do all of them and return what each has found, in their order.

        Raises:
            LessonFailed: one of them did not come to its end.
            OSError: the machine refuses a process.
        """
        waiting = deque(enumerate(lessons))
        shares = [0.0] * len(lessons)
        while len(self._members) < min(self._most, len(lessons)):
            self._members.append(_Member())
        with selectors.DefaultSelector() as selector:
            for member in self._members:
                selector.register(member.said_fd, selectors.EVENT_READ, member)
                if waiting:
                    member.begin(*waiting.popleft())
            while any(member.is_busy for member in self._members):
                for key, _ in selector.select():
                    member = key.data
                    number = member.number
                    member.hear()
                    shares[number] = member.share
                    tell(member.doing, part.begins + part.share * sum(shares) / len(shares))
                    if not member.is_busy and waiting:
                        member.begin(*waiting.popleft())
        return [_read(lesson.found) for lesson in lessons]


class _Member:
    """A process in a session of its own: Ctrl-C is for whoever started it. While it is busy it does lesson `number`."""

    def __init__(self) -> None:
        self._words_fd = os.memfd_create("framemill-lesson")
        self._process = subprocess.Popen(
            isolated("-m", "workers.teaching.lesson_process", str(os.getpid())),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words_fd,
            start_new_session=True,
            bufsize=0,
            env={**os.environ, **ONE_THREAD},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._told, self._said = self._process.stdin, self._process.stdout
        self._left = b""
        self.number = 0
        self.is_busy = False
        self.doing = ""
        self.share = 0.0

    @property
    def said_fd(self) -> int:
        """The end of the pipe that it speaks through."""
        return self._said.fileno()

    def begin(self, number: int, lesson: Lesson) -> None:
        """Hand it a lesson."""
        self.number, self.is_busy, self.doing, self.share = number, True, "", 0.0
        with contextlib.suppress(BrokenPipeError):  # it has ended, and that is noticed by its end
            self._told.write(lesson.model_dump_json().encode() + b"\n")

    def hear(self) -> None:
        """Read what it has said; raises LessonFailed where it has ended, or says that it cannot go on."""
        piece = os.read(self.said_fd, _PIECE_BYTES)
        *lines, self._left = (self._left + piece).split(b"\n")
        for line in lines:
            progress = Progress.model_validate_json(line)
            if progress.failed:
                raise LessonFailed(progress.failed)
            self.doing = progress.doing or self.doing
            self.share = 1.0 if progress.done else max(self.share, progress.share)
            self.is_busy = not progress.done
        if not piece:
            raise LessonFailed(self._end())

    def kill(self) -> None:
        """End it at once, with all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._told.close()
        self._said.close()
        os.close(self._words_fd)

    def _end(self) -> str:
        """Say how it ended, and what it said last."""
        try:
            status = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            return "its process closed what it speaks through"
        size = os.fstat(self._words_fd).st_size
        words = os.pread(self._words_fd, _LAST_WORDS, max(0, size - _LAST_WORDS)).decode("utf-8", "backslashreplace")
        how = f"its process died of {signal.Signals(-status).name}" if status < 0 else f"it ended with status {status}"
        return f"{how}\n{words}".strip()


def _read(folder: Path) -> Looked:
    return Looked.model_validate_json((folder / LOOKED).read_bytes())
