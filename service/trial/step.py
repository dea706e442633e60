"""A server that is started to be measured, and one step of a load on it.

A step is so many cameras for so many seconds, each with one frame per takt whatever became of the one before
(service/trial/load.py). It fails by errors, by falling behind, or by a p99 past the takt.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from service.trial.load import Load, Plan, Shot, run_cameras
from workers.isolated import isolated

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_WARM_UP = 0.2  # of the time of a step
_STOP_S = 30
_KEEPS_UP = 0.98  # of the frames wanted per second
_LAST_WORDS_BYTES = 4000
# `framemill`, but it ends when whoever measures it is killed; not by preexec_fn, which is not for programs with threads
_SERVE = """
import sys
from workers.this_process import die_with_parent
die_with_parent(int(sys.argv.pop(1)))
from service.cli.command_line import run
run()
"""


class ServerEnded(Exception):
    """The server on trial did not start, or ended before it was asked to: its exit status and its last words."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status
        self.said = said


@dataclass(frozen=True, slots=True)
class LoadStep:
    """What one step measured; times in milliseconds from when a frame was due to the end of its answer.

    `wanted_per_s` is None where frames came as fast as answers did. `server_cores` and `cameras_cores` say how many
    cores each kept busy. `why` says in words why the step failed; it is empty where it did not.
    """

    cameras: int
    wanted_per_s: float | None
    answered_per_s: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    frames: int
    errors: int
    refused: int
    first_error: str
    server_cores: float
    cameras_cores: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class TrialServer:
    """A server that runs for the sake of being measured; its processes are those of its session."""

    process: subprocess.Popen[str]
    port: int
    log: Path

    def measure(self, shots: Sequence[Shot], cameras: int, seconds: float, takt_ms: float = 0.0) -> LoadStep:
        """Run one step after a warm-up that does not count; a takt of 0 is as fast as answers come.

        Raises:
            ServerEnded: the server is gone.
        """
        plan = Plan(self.port, cameras, seconds, takt_ms, warm_s=_WARM_UP * seconds)
        server_s, cameras_s = self._cpu_s(), _children_s()
        load = run_cameras(plan, shots)
        server_s, cameras_s = self._cpu_s() - server_s, _children_s() - cameras_s
        if (status := self.process.poll()) is not None:
            raise ServerEnded(status, self.last_words())
        return LoadStep(
            cameras=cameras,
            wanted_per_s=1e3 * cameras / takt_ms if takt_ms else None,
            answered_per_s=load.per_s,
            p50_ms=load.p50_ms,
            p99_ms=load.p99_ms,
            p999_ms=load.p999_ms,
            frames=load.frames,
            errors=load.errors,
            refused=load.refused,
            first_error=load.first_error,
            server_cores=server_s / (load.seconds + plan.warm_s),
            cameras_cores=cameras_s / (load.seconds + plan.warm_s),
            why=_why_failed(load, plan),
        )

    def last_words(self) -> str:
        """Return the end of what it said on standard error."""
        return self.log.read_text("utf-8", "replace")[-_LAST_WORDS_BYTES:].strip()

    def _cpu_s(self) -> float:
        """User and system time of all its processes so far."""
        return sum(cpu_s(fields) for fields in processes().values() if int(fields[3]) == self.process.pid)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _why_failed(load: Load, plan: Plan) -> str:
    if load.errors:
        refused = f" ({load.refused} of them refused with 429)" if load.refused else ""
        return f"{load.errors} of {load.frames} frames had no answer of their own{refused}: {load.first_error}"
    if not plan.takt_ms:
        return ""
    reasons = []
    if load.p99_ms > plan.takt_ms:
        reasons.append(f"p99 {load.p99_ms:.1f} ms is past the takt of {plan.takt_ms:g} ms")
    wanted_per_s = 1e3 * plan.cameras / plan.takt_ms
    # the last frames are due at the end, and have a takt of time as all others
    whole = plan.seconds / (plan.seconds + plan.takt_ms / 1e3)
    if load.per_s < _KEEPS_UP * whole * wanted_per_s:
        reasons.append(f"it fell behind, {load.per_s:.1f} of {wanted_per_s:g} frames/s were answered")
    return " and ".join(reasons)


@contextmanager
def trial_server(project: Path, *arguments: str) -> Iterator[TrialServer]:
    """Serve `project` on a free port of this machine until the end of the block, with a state folder of its own.

    It is in a session of its own, so that Ctrl-C reaches the caller only, and ends when the caller is killed.

    Raises:
        ServerEnded: it did not start.
    """
    with tempfile.TemporaryDirectory(prefix="framemill-bench-") as folder:
        log = Path(folder) / "log"
        command = isolated("-c", _SERVE, str(os.getpid()), "serve", str(project), "--host", "127.0.0.1")
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                [*command, "--port", "0", "--state-dir", folder, *arguments],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                start_new_session=True,
            )
        assert process.stdout is not None
        try:
            ready = re.search(r":(\d+)/$", process.stdout.readline().strip())
            server = TrialServer(process, int(ready[1]) if ready else 0, log)
            if ready is None:
                raise ServerEnded(process.wait(), server.last_words())
            yield server
        finally:
            stop(process)


def stat_fields(pid: int) -> list[str]:
    """Return the fields of proc_pid_stat(5) behind the name, state first; none of a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []


def processes() -> dict[int, list[str]]:
    """Return the `stat_fields` of all processes by their ids."""
    numbers = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return {number: fields for number in numbers if (fields := stat_fields(number))}


def cpu_s(fields: list[str]) -> float:
    """Return user and system time by these fields, ended children included, in seconds."""
    return sum(map(int, fields[11:15])) / _TICKS_PER_S


def stop(process: subprocess.Popen[str]) -> None:
    """Ask a server to end, and make it end if it does not."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    assert process.stdout is not None
    process.stdout.close()
