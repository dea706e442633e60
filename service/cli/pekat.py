"""The server as the vendor's SDK starts it: `deploy/pekat_vision/pekat_vision` runs this file.

`Instance(project, dist_path)` of pekat-vision-sdk starts `<dist>/pekat_vision/pekat_vision -data P -port N -host H
-stop_key K [...]` and reads standard output until a line holds `__SERVER_RUNNING__` and, where it waits for models,
one holds `STOP_INIT_MODEL`. On a line with the text of `_PORT_TAKEN` it tries another port. After that it never reads
again: whatever the server has to say later goes to a file, or the pipe would fill up and stop the server.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import TextIO

import click

from service.server import run_server
from workers.errors import CannotListen, FramemillError
from workers.exits import Exit

_PORT_TAKEN = "OSError: [Errno 48] Address already in use"
_LAST_WORDS_BYTES = 4000


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
    log, starter = _leave_the_pipe()
    logging.basicConfig(format="%(asctime)s framemill %(levelname)s: %(message)s", level=logging.INFO)
    options = {
        "port": port,
        "host": "127.0.0.1" if host == "localhost" else host,
        "stop_key": stop_key,
        "api_key": api_key,
        "disable_code": (disable_code or "").lower() in {"1", "true"},
    }

    def say_running(name: str, url: str) -> None:
        print(f"Framemill serves {name!r} at {url}, its log is {log}", file=starter)
        print("STOP_INIT_MODEL\n__SERVER_RUNNING__", file=starter, flush=True)

    try:
        status = run_server(project, options, say_running)
    except CannotListen as error:
        print(f"{_PORT_TAKEN}\n{error.message}", file=starter, flush=True)
        sys.exit(Exit.CANNOT_START_FRONTS)
    except FramemillError as error:
        print(f"framemill: {error.message}", file=starter, flush=True)
        sys.exit(Exit.CANNOT_LOAD_PROJECT)
    if status != Exit.STOPPED:
        print(log.read_text("utf-8", "replace")[-_LAST_WORDS_BYTES:], file=starter, flush=True)
    sys.exit(status)


def _leave_the_pipe() -> tuple[Path, TextIO]:
    """Send standard output and error to a file; returns it, and what standard output was."""
    starter = os.fdopen(os.dup(1), "w")
    fd, name = tempfile.mkstemp(prefix="framemill-", suffix=".log")
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    return Path(name), starter


if __name__ == "__main__":
    main()
