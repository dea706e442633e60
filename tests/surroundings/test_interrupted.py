"""Ctrl-C while a server starts, or a command works: it ends with one line, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.faults import children_of, is_gone, until
from tests.support.running import write_project

# who runs the tests in the background of a shell ignores Ctrl-C, and all that it starts would with it
COMMAND = ["env", "--default-signal=INT", sys.executable, "-I", "-m", "service.cli"]
SLOW = """
import os, pathlib, time
(pathlib.Path(os.environ["SEEN"]) / str(os.getpid())).touch()
time.sleep(60)

def main(context):
    pass
"""


def begun(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a command in a group of its own, as a terminal does."""
    project = write_project(folder / "p", '[[flow]]\nmodule = "code"\nfile = "code/c.py"\n', c=SLOW)
    (folder / "seen").mkdir()
    return subprocess.Popen(
        [*COMMAND, *(argument.format(project=project) for argument in arguments)],
        env={**os.environ, "SEEN": str(folder / "seen")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def interrupted(process: subprocess.Popen[str], when: Callable[[], object]) -> tuple[int, str, str]:
    """Press Ctrl-C once `when` is true; returns exit status and what was said, with no process left."""
    with process:
        try:
            until(when)
            family = [process.pid, *children_of(process.pid)]
            os.killpg(process.pid, signal.SIGINT)
            out, complained = process.communicate(timeout=60)
            until(lambda: all(map(is_gone, family)))
            return process.returncode, out, complained
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def has_loaded(process: subprocess.Popen[str], library: str) -> bool:
    """Whether the process has come so far as to load a library."""
    return library in Path(f"/proc/{process.pid}/maps").read_text()


@pytest.mark.long
@pytest.mark.parametrize("library", ["_pydantic_core", "_multiarray_umath", "simplejpeg"])
def test_while_its_libraries_are_loaded(tmp_path: Path, library: str) -> None:
    process = begun(tmp_path, "serve", "{project}", "--port", "0")
    status, out, complained = interrupted(process, lambda: has_loaded(process, library))
    assert (out, complained.count("\n")) == ("", 1)
    assert (status, complained) in {(130, "framemill: interrupted\n"), (0, complained)}
    assert "Traceback" not in complained


@pytest.mark.long
def test_while_the_project_is_loaded(tmp_path: Path) -> None:
    process = begun(tmp_path, "serve", "{project}", "--port", "0", "--workers", "2")
    status, out, complained = interrupted(process, lambda: any((tmp_path / "seen").iterdir()))
    (template,) = (tmp_path / "seen").iterdir()
    until(lambda: is_gone(int(template.name)))
    assert (status, out, complained) == (0, "", "framemill INFO: stopped before it was ready\n")


def test_while_a_command_works(tmp_path: Path) -> None:
    process = begun(tmp_path, "check", "{project}")
    found = interrupted(process, lambda: any((tmp_path / "seen").iterdir()))
    assert found == (130, "", "framemill: interrupted\n")
    (child,) = (tmp_path / "seen").iterdir()
    until(lambda: is_gone(int(child.name)))


def test_while_a_command_waits_for_an_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        process = begun(tmp_path, "send", __file__, "--url", f"http://127.0.0.1:{mute.getsockname()[1]}")
        client, _ = mute.accept()
        with client:
            found = interrupted(process, lambda: True)
    assert found == (130, "", "framemill: interrupted\n")
