"""What a process owes to the one that started it, and hides from all others."""

from __future__ import annotations

import ctypes
import os
import signal
import time

_INHERITED_S = 10.0
_LOOK_S = 0.0001
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
