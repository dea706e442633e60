"""A process of a pool that tries a project, as the pool sees it: what it was told, what it says, how it ended."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import subprocess
import time
from collections import deque
from pathlib import Path
from typing import NamedTuple

from workers.containment.streams import STACK_SIGNAL
from workers.isolated import ONE_THREAD, isolated
from workers.trying.try_messages import Said, Start, take_first

_PIECE_BYTES = 1 << 20
_PIPE_BYTES = 32 * 1024  # a pipe has 64 KiB
_KEPT_BYTES = 1 << 20  # of what it writes to its standard error
_LAST_WORDS_BYTES = 16 * 1024
_STACK_S = 0.2  # long enough to write a stack, or to end, on a busy machine
_PLACE = re.compile(r'File "(.+?)", line (\d+) in (.+)')


class Told(NamedTuple):
    """A frame, as it is told, with its number in the order of the run."""

    number: int
    line: bytes


class Member:
    """One process. It is in a session of its own, so that Ctrl-C is for whoever started it, and ends with that."""

    def __init__(self, start: Start, number: int) -> None:
        self._folder = start.project
        self.number = number
        self._memory_fd = os.memfd_create("framemill-said")
        fcntl.fcntl(self._memory_fd, fcntl.F_SETFL, os.O_APPEND)
        self._process = subprocess.Popen(
            isolated("-m", "workers.programs.try_process", str(os.getpid())),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._memory_fd,
            start_new_session=True,
            bufsize=0,
            env={**os.environ, **ONE_THREAD, "FRAMEMILL_WORKER": str(number)},
            pass_fds=() if start.shared_fd is None else (start.shared_fd,),
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._tasks, self._answers = self._process.stdin, self._process.stdout
        with contextlib.suppress(OSError):  # a user may have only so much in pipes
            fcntl.fcntl(self._answers, fcntl.F_SETPIPE_SZ, _PIECE_BYTES)
        os.set_blocking(self._answers.fileno(), False)
        self.end_fd = os.pidfd_open(self._process.pid)
        self._buffer = bytearray()
        self.told: deque[Told] = deque()
        self.loaded = False
        self.leaves = False
        self.is_mute = False  # it has ended, or closed what it answers through
        self._cut_off = False
        self.since_s = time.monotonic()  # when what it does now began
        self._signalled_s = 0.0
        self._late_with: Told | None = None
        self._write(start.model_dump_json().encode() + b"\n")

    @property
    def answers_fd(self) -> int:
        """The end of the pipe that it answers through."""
        return self._answers.fileno()

    @property
    def is_late(self) -> bool:
        """Whether it was found to take too long, with what it is still at."""
        return self._signalled_s > 0 and self._late_with == self._at

    @property
    def was_late(self) -> bool:
        """Whether it was ever found to take too long: it may have been killed for that."""
        return self._signalled_s > 0

    def has_room(self, told: Told) -> bool:
        """Whether that fits into its pipe beside what may wait there: we must not wait for one that waits for us."""
        return not self.told or sum(len(one.line) for one in (*self.told, told)) <= _PIPE_BYTES

    def tell(self, told: Told) -> None:
        """Hand it one more frame; a few wait in its pipe, so that it never waits for us."""
        if not self.told:
            self.since_s = time.monotonic()
        self.told.append(told)
        self._write(told.line)

    def hear(self) -> list[Said]:
        """Return what it has said since."""
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self.answers_fd, _PIECE_BYTES):
                self._buffer += piece
            self.is_mute = True
        said = []
        while (one := take_first(self._buffer)) is not None:
            said.append(one)
        if said:
            self.since_s = time.monotonic()
            if os.fstat(self._memory_fd).st_size > _KEPT_BYTES:
                os.ftruncate(self._memory_fd, 0)
        return said

    def hurry(self) -> None:
        """It takes too long: have it write where it is, and kill it a moment later."""
        now_s = time.monotonic()
        if not self.is_late:
            self._signalled_s, self._late_with = now_s, self._at
            self._signal(STACK_SIGNAL)
        elif now_s - self._signalled_s > _STACK_S:
            self._signal(signal.SIGKILL)

    def cut_off(self) -> None:
        """It cannot answer any more: kill it, where that is not because it ends."""
        if not select.select((self.end_fd,), (), (), _STACK_S)[0]:
            self._cut_off = True
            self._signal(signal.SIGKILL)

    def end_of_work(self) -> None:
        """Tell it that no more frames come: it ends by itself."""
        self._tasks.close()

    def wait(self, give_up_s: float) -> bool:
        """Wait until it has ended, until that moment at most; False where it has not."""
        try:
            self._process.wait(max(0.0, give_up_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        return True

    def bury(self) -> str:
        """Kill it where it lives, with all that it started; return how it ended, in words."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        status = self._process.wait()
        words = self.last_words()
        how = f"died of {signal.Signals(-status).name}" if status < 0 else f"ended itself, exit status {status}"
        if self._cut_off:
            how = "closed what it answers through, and was killed"
        for file in (self._tasks, self._answers):
            file.close()
        os.close(self.end_fd)
        os.close(self._memory_fd)
        return how + _where(words, self._folder)

    def last_words(self) -> str:
        """Return the end of what it wrote to its standard error."""
        size = os.fstat(self._memory_fd).st_size
        words = os.pread(self._memory_fd, _LAST_WORDS_BYTES, max(0, size - _LAST_WORDS_BYTES))
        return words.decode("utf-8", "backslashreplace").strip()

    @property
    def _at(self) -> Told | None:
        return self.told[0] if self.told else None

    def _write(self, line: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # it has ended, and that is noticed by its end
            self._tasks.write(line)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)


def _where(words: str, folder: Path) -> str:
    """Say where in the project a process was by the stack that it left, the innermost place; nothing without one."""
    stack = words.rpartition("(most recent call first):")[2]
    for path, line, function in _PLACE.findall(stack):
        place = Path(path)
        if place.is_relative_to(folder):
            return f" in {place.relative_to(folder)}, line {line}, {function.strip()}"
    return ""
