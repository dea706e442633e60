"""A socket handed over to a server as systemd does it."""

from __future__ import annotations

import sys

# in a process of its own, for LISTEN_PID is that of the server; see sd_listen_fds(3)
_HAND_OVER = """
import os, sys
fd, count, *command = sys.argv[1:]
os.dup2(int(fd), 3)
os.environ |= {"LISTEN_FDS": count, "LISTEN_PID": str(os.getpid())}
os.execvp(command[0], command)
"""


def hands_over(fd: int, count: int = 1) -> list[str]:
    """A command that runs the one behind it with the inherited descriptor `fd` as the first of `count`."""
    return [sys.executable, "-c", _HAND_OVER, str(fd), str(count)]
