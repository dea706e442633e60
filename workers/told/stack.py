"""Asking a process that hangs where it is: a signal, at which C writes the stack of all its threads to its black box.

User code may have taken the signal for itself, or blocked it: that is seen in /proc and said, and nobody waits.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from workers.containment.streams import STACK_SIGNAL

if TYPE_CHECKING:
    from workers.told.black_box import Reading

_WRITES_NS = 15_000_000  # long enough to write a stack
_LATEST_NS = 60_000_000  # and for a thread to be given a core, where the machine is busy
_LINE = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+) in (?P<function>.*)$', re.MULTILINE)
_THREAD = re.compile(r"^(?=(?:Current t|T)hread 0x)", re.MULTILINE)
_OURS = "/workers/worker/runner.py"  # in the stack of the thread that runs the frame: what is below it tells nothing
_STANDS_BY = "/workers/containment/streams.py"  # and of the thread that takes the signal


class Question:
    """One, put to the process `pid` at `asked_ns`; `end` is to be called once the answer `is_due`."""

    def __init__(self, pid: int, box: Reading, asked_ns: int) -> None:
        self._pid = pid
        self._box = box
        self._asked_ns = asked_ns
        self.stack = ""
        self.why_not = ""
        box.await_stack()
        if _has(pid, "SigCgt"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, STACK_SIGNAL)
        else:  # it would end the process, or nobody would hear of it
            self.why_not = f"no stack: code has taken the signal {STACK_SIGNAL.name}"

    def is_due(self, now_ns: int) -> bool:
        """Whether the stack is there, or was waited for as long as it may be."""
        waited_ns = now_ns - self._asked_ns
        if waited_ns < _WRITES_NS:
            return False
        return bool(self.why_not) or waited_ns >= _LATEST_NS or _OURS in self._box.stack()

    def end(self) -> None:
        """Read the answer, or why there is none."""
        threads = [thread for thread in _THREAD.split(self._box.stack()) if thread and _STANDS_BY not in thread]
        self.stack = "".join(_upper(thread) for thread in threads)
        if not self.stack and not self.why_not:
            blocked = _has(self._pid, "ShdPnd")
            self.why_not = "no stack: its threads block signals" if blocked else "no stack: the process wrote none"

    def place(self, folder: Path) -> str:
        """Name the innermost line in the project's `folder`, as `file, line n, in function`, or say why there is none.

        Nothing where the thread that runs the frame is in none of the project's files.
        """
        threads = _THREAD.split(self.stack)
        found = _innermost(next((thread for thread in threads if _OURS in thread), self.stack), f"{folder}/")
        return found or self.why_not


def _upper(thread: str) -> str:
    """The stack of a thread without what is below the place where a worker runs its frame."""
    above, ours, below = thread.partition(_OURS)
    return above + ours + below.partition("\n")[0] + "\n" if ours else thread


def _innermost(thread: str, folder: str) -> str:
    for match in _LINE.finditer(thread):
        if match["file"].startswith(folder):
            return f"{match['file'][len(folder) :]}, line {match['line']}, in {match['function']}"
    return ""


def _has(pid: int, field: str) -> bool:
    """Whether the stack signal is in this set of a process; proc(5), status."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
    except OSError:
        return False
    found = re.search(rf"^{field}:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return found is not None and bool(int(found[1], 16) >> (STACK_SIGNAL - 1) & 1)
