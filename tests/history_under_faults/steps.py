"""Recorders as a supervisor starts them, one after the other; each is killed at a step of its work (stepped.py)."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from service.history.plan import NAME, PICTURES
from service.history.told import create_page
from tests.results.house import House
from tests.support.faults import until
from tests.support.running import CHECKOUT

_PROGRAM = "from tests.history_under_faults.stepped import serve; serve({})"


class Limits(NamedTuple):
    """How many frames a recorder keeps, and bytes of pictures; 0: any number."""

    frames: int = 0
    bytes: int = 0


class Recorders:
    """One after the other, with all that outlives them; a front's answers wait where the recorder's ends are given."""

    def __init__(self, server: House, limits: Limits, asking: tuple[socket.socket, ...] = ()) -> None:
        self.limits = limits
        self._server = server
        self._asking = asking
        self._told_fd = create_page()
        self._started_ns = time.time_ns()
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = [sys.executable, "-c", _PROGRAM.format(theirs.fileno())]
        quiet = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        self._program = subprocess.Popen(words, cwd=CHECKOUT, env=quiet, pass_fds=[theirs.fileno()])
        theirs.close()
        self._pid = 0
        self._status: int | None = None

    def start(self, last_step: int = 0) -> None:
        """Start the next one, which is killed at this step; 0: never."""
        # as a supervisor has it, whose one loop sees an end before it starts the next one
        until(lambda: not any(one.is_there for one in self._server.seen().values()))
        fds = [self._server.door.for_program(NAME), self._server.door.for_program(PICTURES), self._told_fd]
        message = json.dumps({"plan": self._plan(), "pictures": self._pictures(), "last_step": last_step}).encode()
        socket.send_fds(self._link, [message], [*fds, *(end.fileno() for end in self._asking)])
        self._pid, self._status = int(self._link.recv(64)), None

    def has_ended(self) -> bool:
        """Whether it is no more."""
        if self._status is None:
            with suppress(BlockingIOError):
                self._status = int(self._link.recv(64, socket.MSG_DONTWAIT))
        return self._status is not None

    def end(self) -> bool:
        """Ask it to end, if it lives; whether it was killed. Else it has ended well."""
        if not self.has_ended():
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)
            self._status = int(self._link.recv(64))
        assert self._status is not None
        code = os.waitstatus_to_exitcode(self._status)
        assert code in {0, -signal.SIGKILL}, code
        return code != 0

    def _plan(self) -> dict[str, object]:
        return {
            "started_ns": self._started_ns,
            "server": "left",
            "state_dir": str(self._server.folder),
            "history_url": None,
            "most_days": 0,
            "most_records": self.limits.frames,
        }

    def _pictures(self) -> dict[str, object]:
        return {
            "nok": True,
            "all": True,
            "every": 0,
            "most_bytes": self.limits.bytes,
            "most_days": 0,
            "free_bytes": 0,
            "format": "png",
            "quality": 90,
        }

    def close(self) -> None:
        """End the program that starts them."""
        self._link.close()
        self._program.wait()
        os.close(self._told_fd)


def parts_left(folder: Path) -> list[Path]:
    """Files that somebody was killed at."""
    return [path for path in folder.rglob(".*") if path.is_file()]
