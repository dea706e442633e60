"""Starting the server for a measurement, and what the kernel says about all of its processes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from service.trial.step import cpu_s, processes, stat_fields, stop

# glibc's defaults give a frame's memory back after each frame and fault it in again for the next: for FastAPI, mosec
# and BentoML that doubled the CPU of a JPEG. A careful user would find these two (mallopt(3)), so all peers get them.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "268435456", "MALLOC_TRIM_THRESHOLD_": "268435456"}


@dataclass(slots=True)
class Measured:
    """A server under measurement: its port, its processes, and how long it took to be ready.

    `mark` is a line NAME=VALUE that was put into its environment: by it processes are found that have left its session
    and lost their parents.
    """

    process: subprocess.Popen[str]
    port: int
    ready_s: float
    mark: str = ""

    def pids(self) -> list[int]:
        """All processes of the server: of its session, with its mark, or begun by one of those."""
        children: dict[int, list[int]] = {}
        waiting = []
        for pid, fields in processes().items():
            children.setdefault(int(fields[1]), []).append(pid)
            if int(fields[3]) == self.process.pid or (self.mark and self.mark in _environment(pid)):
                waiting.append(pid)
        found: set[int] = set()
        while waiting:
            pid = waiting.pop()
            if pid not in found:
                found.add(pid)
                waiting += children.get(pid, [])
        return sorted(found)

    def cpu_s(self) -> float:
        """User and system time of all processes so far, ended children included."""
        return sum(cpu_s(stat_fields(pid)) for pid in self.pids())

    def proportional_mib(self) -> tuple[float, float]:
        """Proportional set size of all processes: without the frame memory, and the frame memory itself."""
        own_kib = frames_kib = 0
        for pid in self.pids():
            own, frames = _proportional_kib(pid)
            own_kib += own
            frames_kib += frames
        return own_kib / 1024, frames_kib / 1024


def _environment(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/environ").read_text(errors="replace").split("\0")
    except OSError:
        return []


def _proportional_kib(pid: int) -> tuple[int, int]:
    own = frames = 0
    in_frames = False
    try:
        lines = Path(f"/proc/{pid}/smaps").read_text().splitlines()
    except OSError:
        return 0, 0
    for line in lines:
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            in_frames = "memfd:framemill" in line
        elif line.startswith("Pss:"):
            kib = int(line.split()[1])
            own, frames = (own, frames + kib) if in_frames else (own + kib, frames)
    return own, frames


@contextmanager
def bare_receiver(folder: Path) -> Iterator[Measured | None]:
    """Build the program in receiver.c in `folder` and run it; None where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        yield None
        return
    program = folder / "receiver"
    source = Path(__file__).with_name("receiver.c")
    subprocess.run([compiler, "-O2", "-pthread", "-o", str(program), str(source)], check=True)
    with _told_its_port(str(program)) as receiver:
        yield receiver


def smallest_server(workers: int) -> AbstractContextManager[Measured]:
    """Run the server that does nothing but the job, for frames of 1920x1024 px."""
    return _told_its_port(sys.executable, "-m", "bench.smallest_server", str(workers), env=ALLOCATOR)


@contextmanager
def _told_its_port(*command: str, env: dict[str, str] | None = None) -> Iterator[Measured]:
    """Run a server that prints its port, in a session of its own."""
    process = subprocess.Popen(
        command, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    try:
        yield Measured(process, int(process.stdout.readline()), 0.0)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def measured_server(project: Path, *arguments: str, env: dict[str, str] | None = None) -> Iterator[Measured]:
    """Start `framemill serve` in a session of its own and wait until it says that it is ready."""
    command = [sys.executable, "-m", "service.cli", "serve", str(project), "--port", "0", *arguments]
    begun = time.monotonic()
    process = subprocess.Popen(
        command,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        found = re.search(r":(\d+)/", line)
        if found is None:
            message = f"the server did not start: {' '.join(command)}"
            raise RuntimeError(message)
        yield Measured(process, int(found.group(1)), time.monotonic() - begun)
    finally:
        stop(process)
