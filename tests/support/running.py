"""A real server for tests: `framemill serve` in a process of its own, on a free port, ended by its own id."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

CHECKOUT = Path(__file__).resolve().parents[2]
_BOOT_S = 60.0
_LITTLE_MEMORY = {"max_frame_mib": "8", "max_reply_mib": "8"}  # taking all of it takes a third of a start's computing


@dataclass(slots=True)
class Server:
    """A running server: where it listens, its process, and what it has said on standard error so far."""

    process: subprocess.Popen[str]
    url: str
    project: Path
    log: list[str] = field(default_factory=list)
    reader: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self.url.rsplit(":", 1)[1])

    def client(self, **headers: str) -> httpx.Client:
        """A client of this server; without TLS it loads no certificates, which takes 25 ms of computing each time."""
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, verify=self.url.startswith("https"))

    def status(self) -> dict[str, Any]:
        """What /api/v1/status says."""
        with self.client() as client:
            found: dict[str, Any] = client.get("/api/v1/status").raise_for_status().json()
            return found

    def stop(self) -> int:
        """Ask it to stop and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            if self.reader is not None:
                self.reader.join()


def start_command(project: Path, *arguments: str, python: Path | None = None) -> list[str]:
    """The command that serves a project on a free port; `python` is this one unless another is named."""
    return [str(python or sys.executable), "-I", "-m", "service.cli", "serve", str(project), "--port", "0", *arguments]


@contextmanager
def serving(
    project: Path,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    launcher: Sequence[str] = (),
    pass_fds: Sequence[int] = (),
    python: Path | None = None,
) -> Iterator[Server]:
    """Serve `project` until the end of the block; two workers unless the arguments say otherwise.

    `launcher` is a command that runs the one behind it; `pass_fds` are descriptors that it inherits;
    `python` is another Python, with another copy of the code.
    """
    if "--workers" not in arguments:
        arguments = (*arguments, "--workers", "2")
    process = subprocess.Popen(
        [*launcher, *start_command(project, *arguments, python=python)],
        cwd=CHECKOUT,
        env={**os.environ, **_little_memory(project, arguments), **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=pass_fds,
    )
    server = Server(process, "", project)
    assert process.stdout is not None
    assert process.stderr is not None
    # its log must be read all the time, or it would block on a full pipe
    server.reader = threading.Thread(target=lambda: server.log.extend(process.stderr), daemon=True)  # type: ignore[arg-type]
    server.reader.start()
    watchdog = threading.Timer(_BOOT_S, process.kill)
    watchdog.start()
    try:
        line = process.stdout.readline()
        found = re.search(r"https?://\S+?(?=/?\s)", line)
        if found is None:
            process.wait()
            server.reader.join()
            raise AssertionError(f"the server did not start: {line!r}\n{''.join(server.log)}")
        watchdog.cancel()
        server.url = found.group(0)
        yield server
    finally:
        watchdog.cancel()
        server.stop()
        process.stdout.close()
        process.stderr.close()


def _little_memory(project: Path, arguments: Sequence[str]) -> dict[str, str]:
    """Settings for small slots where the test says nothing of their size: enough for a raw frame of 1920x1024x3."""
    said = " ".join(arguments).replace("-", "_") + (project / "framemill.toml").read_text()
    settings = {f"FRAMEMILL_{name.upper()}": mib for name, mib in _LITTLE_MEMORY.items() if name not in said}
    return {name: mib for name, mib in settings.items() if name not in os.environ}


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `framemill` with these arguments in a process of its own, as whoever types it does."""
    words = [sys.executable, "-I", "-m", "service.cli", *map(str, arguments)]
    return subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, timeout=100, check=False)


def write_project(folder: Path, toml: str = "", **code: str) -> Path:
    """Make a project in `folder`: `toml` follows `[project] name`, each keyword is a file in `code/`."""
    (folder / "code").mkdir(parents=True, exist_ok=True)
    (folder / "framemill.toml").write_text(f'[project]\nname = "{folder.name}"\n{toml}')
    for name, text in code.items():
        (folder / "code" / f"{name}.py").write_text(text)
    return folder
