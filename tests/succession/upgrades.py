"""A server from a copy of the code, so that a test can change its version, and what follows it."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.faults import is_gone, until
from tests.support.installed import code_of, install_copy
from tests.support.running import Server, serving

_LIVE = '{"live": True}'
_FOLLOWED = re.compile(r"process (\d+) answers in place of this one")


class Line:
    """A server and those that follow it: all are one address to their clients."""

    def __init__(self, server: Server, copy: Path) -> None:
        self.server = server
        self.pid = server.process.pid
        self._health = copy / "service" / "api" / "health.py"
        self._good = self._health.read_text()
        self._version = 0

    @property
    def version(self) -> int:
        """Which version of the code answers."""
        return int(httpx.get(f"{self.server.url}/livez", trust_env=False).json().get("version", 0))

    def install_next(self) -> None:
        """Change the code, as a new version of the package would."""
        self._version += 1
        assert _LIVE in self._good
        self._health.write_text(self._good.replace(_LIVE, f'{{"live": True, "version": {self._version}}}'))

    def install_broken(self) -> None:
        """Install something that cannot be imported."""
        self._health.write_text("this is not python")

    def ask(self) -> None:
        """Have the server start the one that is to follow it."""
        os.kill(self.pid, signal.SIGUSR2)

    def said(self, what: str) -> int:
        """How many lines of the log have this in them."""
        return sum(what in line for line in self.server.log)

    def upgrade(self) -> int:
        """Ask for it and wait until the old server is gone; returns the process id of the new one."""
        before = self.said("answers in place")
        self.ask()
        until(lambda: self.said("answers in place") > before)
        old, self.pid = self.pid, self.pids()[-1]
        until(lambda: is_gone(old))
        return self.pid

    def pids(self) -> list[int]:
        """The process ids of those that followed."""
        return [int(found.group(1)) for line in self.server.log if (found := _FOLLOWED.search(line))]

    def end(self) -> None:
        """End the last one, which is no child of the test."""
        last = (self.pids() or [self.pid])[-1]
        if not is_gone(last):
            os.kill(last, signal.SIGTERM)
        until(lambda: is_gone(last))


@contextmanager
def line_of_servers(project: Path, copy: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[Line]:
    """Serve `project` with a copy of the code in the folder `copy`, which need not be there."""
    with serving(project, *arguments, env=env, python=install_copy(copy)) as server:
        line = Line(server, code_of(copy))
        try:
            yield line
        finally:
            line.end()
