"""No message that cannot be written stops a frame, a server or the work of a command."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.support.faults import until
from tests.support.pictures import png
from tests.support.running import CHECKOUT, Server, write_project

pytestmark = pytest.mark.long

NAME = "Desky č. 3"
FLOW = '[[flow]]\nmodule = "code"\nfile = "code/c.py"\n'
CODE = """
import os, signal

def main(context):
    print("x" * 10_000)
    if context["data"] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
"""
COMMAND = [sys.executable, "-I", "-m", "service.cli"]


def project(folder: Path) -> Path:
    write_project(folder, FLOW, c=CODE)
    (folder / "framemill.toml").write_text(f'[project]\nname = "{NAME}"\n{FLOW}')
    return folder


class Mute:
    """A server that answers at a port that it was told, for it may not be able to say so."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.client = httpx.Client(base_url=self.url, trust_env=False, timeout=60)

    def is_ready(self) -> bool:
        assert self.process.poll() is None, "the server has ended"
        with contextlib.suppress(httpx.TransportError):
            return self.client.get("/readyz").status_code == 200
        return False

    def inspect(self, data: str = "") -> int:
        return self.client.post(f"/analyze_raw_image?width=4&height=4&data={data}", content=bytes(16)).status_code


@contextlib.contextmanager
def mute_server(folder: Path, *launcher: str, stdout: int | None = None, stderr: int | None = None) -> Iterator[Mute]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [*launcher, *COMMAND, "serve", str(project(folder)), "--port", str(port), "--workers", "1"]
    process = subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
    server = Mute(process, port)
    try:
        until(server.is_ready)
        yield server
    finally:
        server.client.close()
        if process.poll() is None:
            process.terminate()
        process.wait(60)


def closed_pipe() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def full_pipe() -> tuple[int, int]:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    return reader, writer


def full_socket() -> tuple[int, int]:
    one, other = socket.socketpair()
    one.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            one.send(bytes(4096))
    one.setblocking(True)
    return other.detach(), one.detach()


def goes_on(server: Mute) -> None:
    """It inspects, replaces a worker, loads its project anew and says what is odd, all of which it has words for."""
    assert server.inspect() == 200
    assert server.inspect("die") == 500
    server.client.post("/api/v1/reload").raise_for_status()
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", httpx.URL(server.url).port or 0)) as odd:
            odd.sendall(b"odd\r\n\r\n")
            odd.recv(1000)
    until(lambda: server.client.get("/api/v1/status").json()["reloads"] == 1)
    assert server.inspect() == 200
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) == 0


def test_standard_output_and_error_may_be_closed(tmp_path: Path) -> None:
    with mute_server(tmp_path / "p", "sh", "-c", 'exec "$@" <&- >&- 2>&-', "closed") as server:
        taken = [str(Path(f"/proc/{server.process.pid}/fd/{fd}").readlink()) for fd in range(3)]
        assert taken == ["/dev/null"] * 3
        goes_on(server)


def test_standard_output_and_error_may_be_full(tmp_path: Path) -> None:
    with mute_server(tmp_path / "p", "sh", "-c", 'exec "$@" >/dev/full 2>&1', "full") as server:
        goes_on(server)


def test_whoever_read_may_have_gone(tmp_path: Path) -> None:
    writer = closed_pipe()
    with mute_server(tmp_path / "p", stdout=writer, stderr=writer) as server:
        os.close(writer)
        goes_on(server)


@pytest.mark.parametrize("full", [full_pipe, full_socket])
def test_whoever_reads_may_have_stopped(tmp_path: Path, full: object) -> None:
    assert callable(full)
    reader, writer = full()
    with mute_server(tmp_path / "p", stdout=writer, stderr=writer) as server:
        os.close(writer)
        goes_on(server)
    os.close(reader)


def test_a_name_that_cannot_be_encoded_is_shown_as_far_as_it_can(tmp_path: Path) -> None:
    said = tmp_path / "said"
    launcher = ("env", "LC_ALL=C", "PYTHONIOENCODING=ascii", "PYTHONUTF8=0", "PYTHONCOERCECLOCALE=0")
    with said.open("wb") as file, mute_server(tmp_path / "p", *launcher, stdout=file.fileno()) as server:
        assert server.inspect() == 200
    assert said.read_text().startswith(("Framemill serves 'Desky č. 3' at", "Framemill serves 'Desky \\u010d. 3' at"))


def test_the_head_of_what_a_server_says_does_not_end_it(tmp_path: Path) -> None:
    head = 'exec 3>&1; "$@" 2>/dev/null | head -c 1 >&3; exit 0'
    process = subprocess.Popen(
        ["bash", "-c", f"{head}", "head", *COMMAND, "serve", str(project(tmp_path / "p")), "--port", "0"],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.read(1) == b"F"  # and head is gone, but the shell waits for the server
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)
        process.stdout.close()


def framemill(*arguments: object, into: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run a command with a standard output that cannot be written to; returns its status and its standard error."""
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {into}', "sh", *COMMAND, *map(str, arguments)],
        env={**os.environ, **(env or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_a_command_whose_words_are_lost_does_not_say_that_all_is_well(tmp_path: Path) -> None:
    good = project(tmp_path / "good")
    bad = write_project(tmp_path / "bad", "[[flow]]\n")
    status, said = framemill("check", good, "--disable-code", into=">/dev/full")
    assert (status, "code modules" in said) == (3, True)
    assert framemill("--help", into=">/dev/full") == (
        1,
        "framemill: what was said could not be written: No space left on device\n",
    )
    assert framemill("--help", into=">&-") == (0, "")
    assert framemill("check", bad, into=">/dev/full 2>&1")[0] == 3
    assert framemill("chekc", into=">/dev/full 2>&1")[0] == 2


def test_a_key_that_nobody_has_seen_is_not_added(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    status, said = framemill("keys", "add", "camera", "--scope", "analyze", "--file", file, into=">/dev/full")
    assert status == 1
    assert "the key could not be printed, so it was not added" in said
    assert "camera" not in file.read_text()


def test_verdicts_that_are_lost_stay_in_the_exit_status(server: Server, tmp_path: Path) -> None:
    image = tmp_path / "part.png"
    image.write_bytes(png(np.zeros((4, 4, 3), np.uint8)))
    env = {"FRAMEMILL_URL": server.url}
    assert framemill("send", image, into=">/dev/full", env=env)[0] == 1
    assert framemill("send", image, into=">/dev/null", env=env)[0] == 0
    assert framemill("send", "--json", image, tmp_path / "part.png", into="| head -c 1", env=env)[0] == 0
