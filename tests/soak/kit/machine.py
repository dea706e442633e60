"""Starting a server on a machine that is broken in one way: full or read-only folders, few descriptors."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.soak.kit.cameras import Choose, nothing_special
from tests.soak.kit.report import report, summary
from tests.soak.kit.run import Run
from tests.soak.kit.secrets import API_KEY, secrets_in_log
from tests.support.running import CHECKOUT, Server, start_command


@contextmanager
def serving_after(prepare: str, project: Path, *arguments: str, env: Mapping[str, str]) -> Iterator[Server]:
    """Serve after the shell has done `prepare`, in mounts of its own that nobody else sees; takes root."""
    if os.geteuid() != 0:
        pytest.skip("mounts of one's own take root")
    command = shlex.join([*start_command(project, "--workers", "2", *arguments)])
    shell = ["unshare", "--mount", "sh", "-ec", f"{prepare}\nexec {command}"]
    environment = {**os.environ, "FRAMEMILL_API_KEY": API_KEY, **env}
    pipe = subprocess.PIPE
    process = subprocess.Popen(shell, cwd=CHECKOUT, env=environment, stdout=pipe, stderr=pipe, text=True)
    server = Server(process, "", project)
    assert process.stdout is not None
    assert process.stderr is not None
    server.reader = threading.Thread(target=lambda: server.log.extend(process.stderr), daemon=True)  # type: ignore[arg-type]
    server.reader.start()
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        found = re.search(r"https?://\S+?(?=/?\s)", process.stdout.readline())
        watchdog.cancel()
        if found is not None:
            server.url = found.group(0)
        yield server
    finally:
        watchdog.cancel()
        server.stop()
        process.stdout.close()
        process.stderr.close()


def tiny(folder: str, size: str = "64k") -> str:
    """The shell's words for a small file system at `folder`."""
    return f"mount -t tmpfs -o size={size} tiny {shlex.quote(folder)}"


def full(folder: str) -> str:
    """The same, and not a byte is left on it."""
    return f"{tiny(folder)}; {fill(folder)}"


def fill(folder: str) -> str:
    """Write to the file system there until nothing is left."""
    return f"dd if=/dev/zero of={shlex.quote(folder)}/fill bs=4k 2>/dev/null || true"


def read_only(folder: str) -> str:
    """The same, and nothing can be written to it."""
    return f"{tiny(folder)}; mount -o remount,ro {shlex.quote(folder)}"


def read_only_as_it_is(folder: str) -> str:
    """Nothing more can be written to what is there."""
    return f"mount --bind {shlex.quote(folder)} {shlex.quote(folder)}; mount -o remount,ro,bind {shlex.quote(folder)}"


@contextmanager
def broken_machine(
    scenario: str, prepare: str, project: Path, *arguments: str, env: dict[str, str] | None = None
) -> Iterator[Run]:
    """Run a scenario on such a machine; what is found broken fails at the end of the block."""
    with serving_after(prepare, project, *arguments, env={"FRAMEMILL_DEADLINE_MS": "5000", **(env or {})}) as server:
        run = Run(server, 5.0)
        try:
            assert server.url, "".join(server.log)
            yield run
            run.check_losses()
        finally:
            run.expect(not (told := secrets_in_log(server.log)), f"I6: the log holds {told[:3]}")
            report(scenario, {**run.figures, **summary(run.answers)}, run.broken)
    assert not run.broken, "\n".join([scenario, *run.broken, "".join(server.log[-20:])])


def frames(run: Run, seconds: float, *, choose: Choose = nothing_special, per_s: float = 50.0) -> None:
    """Let cameras work for a time, and judge what they were answered."""
    with run.cameras(choose=choose, per_s=per_s) as cameras:
        cameras.run(seconds)
    run.expect(len(cameras.answers) > seconds * per_s / 2, "the cameras sent too few frames")
