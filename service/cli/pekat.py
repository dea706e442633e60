"""The server as the vendor's SDK starts it: `deploy/pekat_vision/pekat_vision` runs this file.

`Instance(project, dist_path)` of pekat-vision-sdk starts `<dist>/pekat_vision/pekat_vision -data P -port N -host H
-stop_key K [...]` and reads standard output until a line holds `__SERVER_RUNNING__` and, where it waits for models,
one holds `STOP_INIT_MODEL`. On a line with the text of `_PORT_TAKEN` it tries another port. After that it never reads
again: whatever the server has to say later goes to a file, or the pipe would fill up. It goes when the server ends.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import click

from service.cli.command_line import run, what_is_missing
from service.cli.proof_pages import show_proof
from service.server.start import run_server
from workers.errors import CannotListen, FramemillError
from workers.standard_streams import never_wait, stream_to
from workers.supervisor.exits import Exit

_PORT_TAKEN = "OSError: [Errno 48] Address already in use"
_LAST_WORDS_BYTES = 4000
_LOG = ("framemill-starter-", ".log")


@click.command()
@click.option("-data", "project", required=True, type=click.Path(path_type=Path), help="the project's folder")
@click.option("-port", type=int, default=8000)
@click.option("-host", default="127.0.0.1")
@click.option("-stop_key", "stop_key")
@click.option("-api_key", "api_key")
@click.option("-disable_code", "disable_code", help="True refuses projects with code modules")
@click.option("-password", "-tutorial_only", "-gpu", "ignored", help="accepted, without a meaning here")
def main(
    project: Path,
    port: int,
    host: str,
    stop_key: str | None,
    api_key: str | None,
    disable_code: str | None,
    ignored: str | None,
) -> None:
    """Start a Framemill server with the options of PEKAT VISION."""
    del ignored
    with _own_log() as (log, starter):
        logging.basicConfig(
            format="%(asctime)s framemill %(levelname)s: %(message)s", level=logging.INFO, stream=sys.stderr
        )
        options = {
            "port": port,
            "host": "127.0.0.1" if host == "localhost" else host,
            "stop_key": stop_key,
            "api_key": api_key,
            "disable_code": (disable_code or "").lower() in {"1", "true"},
        }
        status = _serve(project, options, log, starter)
    sys.exit(status)


def _serve(project: Path, options: dict[str, Any], log: Path, starter: TextIO) -> int:
    def say_running(name: str, url: str) -> None:
        print(f"Framemill serves {name!r} at {url}, its log is {log}", file=starter)
        print("STOP_INIT_MODEL\n__SERVER_RUNNING__", file=starter, flush=True)

    try:
        status = run_server(project, options, say_running, show_proof)
    except CannotListen as error:
        print(f"{_PORT_TAKEN}\n{error.message}", file=starter, flush=True)
        return Exit.CANNOT_START_FRONTS
    except FramemillError as error:
        print(f"framemill: {error.message}", file=starter, flush=True)
        return Exit.CANNOT_LOAD_PROJECT
    except (OSError, MemoryError) as error:
        print(f"framemill: {what_is_missing(error)}", file=starter, flush=True)
        return Exit.CANNOT_START_FRONTS
    if status != Exit.STOPPED:
        print(log.read_text("utf-8", "replace")[-_LAST_WORDS_BYTES:], file=starter, flush=True)
    return status


@contextmanager
def _own_log() -> Iterator[tuple[Path, TextIO]]:
    """Send standard output and error to a file until the end; yields it, and what standard output was."""
    starter = stream_to(os.dup(1))
    _remove_left_logs(Path(tempfile.gettempdir()))
    fd, name = tempfile.mkstemp(prefix=_LOG[0], suffix=_LOG[1])
    # while anything of this server lives, and no longer: see below
    fcntl.flock(fd, fcntl.LOCK_SH)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    never_wait()
    try:
        yield Path(name), starter
    finally:
        Path(name).unlink(missing_ok=True)


def _remove_left_logs(folder: Path) -> None:
    """Remove the logs of servers that were killed, and so could not."""
    for path in folder.glob("*".join(_LOG)):
        with suppress(OSError):  # another user's, or of one that lives
            fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(fd).st_uid == os.geteuid():
                    path.unlink()
            finally:
                os.close(fd)


if __name__ == "__main__":
    run(main, "pekat_vision")
