"""A small parent that plays systemd: it holds the socket, and starts the server again whenever it has died."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.soak.kit.project import soak_project
from tests.soak.kit.report import report, summary
from tests.soak.kit.run import Run
from tests.soak.kit.secrets import API_KEY, secrets_in_log
from tests.support.faults import until
from tests.support.handed_over import hands_over
from tests.support.running import CHECKOUT, Server, start_command


class Parent:
    """Starts the server on a socket that it holds, and again at once when it ends, until told that it is over."""

    def __init__(self, project: Path, held: socket.socket, log: Path) -> None:
        self._held = held
        self._command = [*hands_over(held.fileno()), *start_command(project), "--workers", "2", "--fronts", "2"]
        self._log = log.open("w")
        self._over = threading.Event()
        self.process = self._start()
        self._keeper = threading.Thread(target=self._keep)
        self._keeper.start()

    def _start(self) -> subprocess.Popen[str]:
        environment = {**os.environ, "FRAMEMILL_API_KEY": API_KEY, "FRAMEMILL_DEADLINE_MS": "5000"}
        return subprocess.Popen(
            self._command,
            cwd=CHECKOUT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            text=True,
            pass_fds=[self._held.fileno()],
        )

    def _keep(self) -> None:
        while True:
            self.process.wait()
            if self._over.is_set():
                return
            self.process = self._start()

    def end(self) -> None:
        """End the server for good."""
        self._over.set()
        self.process.terminate()
        self._keeper.join()
        self._log.close()


@contextmanager
def restarted_by_a_parent(scenario: str, folder: Path) -> Iterator[tuple[Run, Parent]]:
    """Serve under such a parent; what is found broken fails at the end of the block."""
    held, log = socket.create_server(("127.0.0.1", 0), backlog=512), folder / "log"
    port = held.getsockname()[1]
    parent = Parent(soak_project(folder / "soak"), held, log)
    run = Run(Server(parent.process, f"http://127.0.0.1:{port}", folder / "soak"), 5.0)

    def answers() -> bool:
        try:
            return run.whole
        except httpx.HTTPError:
            return False

    try:
        until(answers)
        yield run, parent
        run.check_losses()
    finally:
        parent.end()
        held.close()
        run.expect(not (told := secrets_in_log(log.read_text().splitlines())), f"I6: the log holds {told[:3]}")
        report(scenario, {**run.figures, **summary(run.answers)}, run.broken)
    assert not run.broken, "\n".join([scenario, *run.broken])
