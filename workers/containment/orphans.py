"""Processes that user code started and left behind: none outlives its worker.

A worker leads a process group of its own, which is killed when the worker ends. What has left the group (`setsid`)
becomes a child of the supervisor as soon as its own parent ends, for the supervisor is a subreaper (prctl(2)); so does
whatever user code orphans while its worker lives, a daemon for example. Every second, children that the supervisor did
not start are killed, in the second sweep that finds them: one that is ending by itself may do so.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

_PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>
_PERIOD_NS = 1_000_000_000
_LAST_SWEEPS = 100
_PAUSE_S = 0.01


def end_group(worker_pid: int) -> None:
    """Kill what is left of a worker's process group; call this before the worker is reaped, so that its id is its."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(worker_pid, signal.SIGKILL)


class Orphans:
    """Takes in and ends what workers leave behind."""

    def __init__(self) -> None:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._seen: set[int] = set()
        self._due_ns = 0

    def sweep(self, now_ns: int, ours: AbstractSet[int]) -> None:
        """Once a second: kill the children that are not `ours` and were there a second ago; reap those that ended."""
        if now_ns < self._due_ns:
            return
        self._due_ns = now_ns + _PERIOD_NS
        found = _living_children(ours)
        for pid in found & self._seen:
            _kill(pid)
        self._seen = found

    @staticmethod
    def end_all(but: AbstractSet[int]) -> None:
        """Kill every child, and what becomes a child by that, but not these; for the end, when none of ours is left."""
        for _ in range(_LAST_SWEEPS):
            found = _living_children(but)
            if not found:
                return
            for pid in found:
                _kill(pid)
            time.sleep(_PAUSE_S)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def _living_children(ours: AbstractSet[int]) -> set[int]:
    """Children that are not `ours`, without those that have ended, which are reaped."""
    try:
        listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text("ascii")
    except OSError:  # a kernel without the list: groups are ended all the same
        return set()
    living = set()
    for pid in {int(child) for child in listed.split()} - ours:
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG) == (0, 0):
                living.add(pid)
    return living
