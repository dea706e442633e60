"""The frames of a proof through one version: a fork of its template is asked for, heard, and ended where it must be."""

from __future__ import annotations

import os
import re
import selectors
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from workers.containment.orphans import end_group
from workers.crew.fork import Birth, how_it_ended
from workers.told.black_box import make_box
from workers.trying.proof_file import ProofFrame, ProofRequest
from workers.versions.wire import PROOF_ROW

if TYPE_CHECKING:
    from workers.crew.template_process import TemplateProcess
    from workers.settings import PoolSettings

_REPORT_BYTES = 1 << 16
_FORK_S = 5.0  # milliseconds are usual
_LAST_WORDS_BYTES = 16 * 1024
_PLACE = re.compile(r'File "(.+?)", line (\d+) in (.+)')


@dataclass(slots=True)
class Proved:
    """What came of it: what is wrong, by the number of the frame; why it did not come to its end, if so, and where.

    One that was not even born may be tried again. `fd` is the file with what it found; whoever has this closes it.
    """

    frames: Sequence[ProofFrame]
    fd: int
    wrong: dict[int, str] = field(default_factory=dict)
    failure: str = ""
    at: int | None = None
    was_born: bool = False

    @property
    def holds(self) -> bool:
        """Whether it came to its end and nothing is wrong."""
        return not self.wrong and not self.failure

    def why_broken_off(self, status: int, folder: Path, run_ms: int) -> str:
        """Say why its process ended before it did: what it said last, or left in the file, or its wait `status`."""
        if self.failure:
            return self.failure
        if where := _where(self.fd, folder):
            return f"was not done within {run_ms} ms (run_ms): it was {where}"
        return f"ended its process ({how_it_ended(status)})"

    def close(self) -> None:
        """Let go of the file."""
        os.close(self.fd)


class Proving:
    """At most one at a time."""

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._template: TemplateProcess | None = None
        self._proved: Proved | None = None
        self._on_done: Callable[[Proved], None] | None = None
        self._report_fd = self._output_fd = self._pidfd = -1
        self._said = b""
        self._ended = self._late = False
        self.pids: set[int] = set()

    @property
    def is_busy(self) -> bool:
        """Whether one is under way, or was given up and is not gone yet."""
        return self._proved is not None

    def start(self, template: TemplateProcess, frames: Sequence[ProofFrame], on_done: Callable[[Proved], None]) -> None:
        """Ask for a fork that tries `frames`; raises OSError where its pipes cannot be made."""
        with Birth() as birth:
            report_read, report_write = birth.pipe_from()
            output_read, output_write = birth.pipe_from(template.house.outputs.pipe)
            memory_fd, theirs_fd = birth.pipe_from(_file_twice)
            ProofRequest(frames=list(frames)).write(memory_fd)
            os.set_blocking(report_read, False)
            box_fd = birth.shared(make_box())  # as workers have one: nobody looks into this
            reached = template.order(PROOF_ROW, (report_write, theirs_fd, output_write, box_fd))
        os.close(box_fd)
        self._template, self._on_done = template, on_done
        self._proved = Proved(frames, memory_fd)
        self._report_fd, self._output_fd = report_read, output_read
        self._said, self._ended, self._late = b"", False, False
        self._give_up_s = time.monotonic() + (_FORK_S if reached else 0)
        template.house.selector.register(report_read, selectors.EVENT_READ, self._on_said)

    def watch(self) -> None:
        """End what takes too long."""
        if self._proved is None or time.monotonic() < self._give_up_s:
            return
        if self.pids:
            self._late = True
            self._kill()
            self._give_up_s = float("inf")
        else:
            self._finish("no process could be made for it")

    def give_up(self) -> None:
        """End it; nobody is told what came of it."""
        self._on_done = None
        self._kill()
        if self._proved is not None and not self.pids:
            self._give_up_s = min(self._give_up_s, time.monotonic() + _FORK_S)

    def _kill(self) -> None:
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)

    def _on_said(self) -> None:
        try:
            piece = os.read(self._report_fd, _REPORT_BYTES)
        except BlockingIOError:
            return
        *lines, self._said = (self._said + piece).split(b"\n")
        for line in lines:
            with suppress(ValueError, TypeError, KeyError):  # user code may write there, too
                self._hear(orjson.loads(line))
        if not piece:
            self._close_report()
            if not self.pids:
                self._finish("no process could be made for it")

    def _hear(self, told: dict[str, Any]) -> None:
        assert self._proved is not None
        assert self._template is not None
        frames = range(len(self._proved.frames))
        if "pid" in told and not self.pids:
            self._follow(told["pid"])
        elif told.get("at") in frames:
            self._proved.at = told["at"]
        elif "wrong" in told:
            number, why = told["wrong"]
            if number in frames:
                self._proved.wrong[number] = str(why)
        elif "error" in told:
            self._proved.failure = str(told["error"])
        self._ended = self._ended or "end" in told

    def _follow(self, pid: int) -> None:
        assert self._template is not None
        assert self._proved is not None
        house = self._template.house
        try:
            self._pidfd = os.pidfd_open(pid)
        except OSError:  # it has ended, and was reaped as a stray: its report ends, too
            return
        self.pids, self._proved.was_born = {pid}, True
        house.outputs.follow(pid, self._output_fd, "proof")
        self._output_fd = -1
        house.selector.register(self._pidfd, selectors.EVENT_READ, self._on_death)
        limit_ms = self._settings.proof_ms + (0 if self._template.loads else self._settings.boot_ms)
        self._give_up_s = time.monotonic() + limit_ms / 1000
        if self._on_done is None:
            self._kill()

    def _on_death(self) -> None:
        assert self._template is not None
        while self._report_fd >= 0:  # what it said last; a child of it may keep the pipe open
            before = self._said
            self._on_said()
            if self._said == before:
                self._close_report()
        (pid,) = self.pids
        end_group(pid)
        _, status = os.waitpid(pid, 0)
        self._template.house.outputs.end(pid)
        self._template.house.selector.unregister(self._pidfd)
        os.close(self._pidfd)
        self.pids = set()
        self._finish("" if self._ended else self._why(status))

    def _why(self, status: int) -> str:
        """Say why it did not come to its end."""
        assert self._proved is not None
        assert self._template is not None
        if self._late and not self._proved.failure:
            return f"the proof was not done within {self._settings.proof_ms} ms (proof_ms)"
        return self._proved.why_broken_off(status, self._template.project.folder, self._settings.run_ms)

    def _finish(self, failure: str) -> None:
        assert self._proved is not None
        self._close_report()
        if self._output_fd >= 0:
            os.close(self._output_fd)
        proved, on_done = self._proved, self._on_done
        self._proved, self._on_done, self._output_fd = None, None, -1
        proved.failure = failure
        if on_done is None:
            proved.close()
        else:
            on_done(proved)

    def _close_report(self) -> None:
        if self._report_fd >= 0:
            assert self._template is not None
            self._template.house.selector.unregister(self._report_fd)
            os.close(self._report_fd)
            self._report_fd = -1


def _file_twice() -> tuple[int, int]:
    """Make a file in memory; returns two descriptors of it that stand at the same place."""
    fd = os.memfd_create("framemill-proof")
    return fd, os.dup(fd)


def _where(fd: int, folder: Path) -> str:
    """Return the innermost place in the project by the stack that a frame left that took too long; nothing without."""
    last = os.pread(fd, _LAST_WORDS_BYTES, max(0, os.fstat(fd).st_size - _LAST_WORDS_BYTES))
    _, begins, stack = last.decode("utf-8", "replace").rpartition("(most recent call first):")
    if not begins:
        return ""
    for path, line, function in _PLACE.findall(stack):
        if Path(path).is_relative_to(folder):
            return f"in {Path(path).relative_to(folder)}, line {line}, {function.strip()}"
    return "in code that is none of the project's"
