"""What a process owes to the one that started it, hides from all others, and when it goes where memory runs out."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import time
from pathlib import Path

_log = logging.getLogger(__name__)

_INHERITED_S = 10.0
_LOOK_S = 0.0001
_FIRST_TO_GO = 900  # of -1000 to 1000; see proc(5), oom_score_adj
_THEN_TO_GO = 300
_LAST_TO_GO = -900
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4  # <linux/prctl.h>


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel end this process when its parent `parent_pid` ends, whatever ended that; see prctl(2)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it ended before the line above
        os._exit(1)


def die_with_new_parent(parent_pid: int) -> None:
    """The same for a process whose parent ends and leaves it to `parent_pid`, its subreaper: wait for that first.

    Set sooner, it would end with the parent that it has.
    """
    give_up_s = time.monotonic() + _INHERITED_S
    while os.getppid() != parent_pid:
        if time.monotonic() > give_up_s:
            os._exit(1)
        time.sleep(_LOOK_S)
    die_with_parent(parent_pid)


def keep_private(*, yes: bool = True) -> None:
    """Let no process without privileges look into this one, not even of the same user; see prctl(2), PR_SET_DUMPABLE.

    Then nobody opens the frame memory through /proc/PID/fd, attaches a debugger, or finds frames in a core file; root
    still can (`sudo py-spy dump`). A forked child inherits it. Where a server has no privileges, its files in
    /proc/self cannot be written any more, oom_score_adj among them: with `yes=False` they can.
    """
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, int(not yes), 0, 0, 0)


def be_first_to_go() -> None:
    """Have the kernel choose this process before all others of the server where memory runs out."""
    _set_score(_FIRST_TO_GO)


def go_after_workers() -> None:
    """Have the kernel choose workers before this process: a template, whose memory they share."""
    _set_score(_THEN_TO_GO)


def be_last_to_go() -> None:
    """The opposite, for the supervisor and the fronts; takes a privilege that not every server has."""
    _set_score(_LAST_TO_GO)


def _set_score(score: int) -> None:
    try:
        Path("/proc/self/oom_score_adj").write_text(str(score), "ascii")
    except OSError as error:
        _log.debug("oom_score_adj stays as it is: %s", error)
