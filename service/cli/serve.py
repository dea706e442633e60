"""`framemill serve`: start the server and stay until it is asked to stop."""

from __future__ import annotations

import errno
import logging
import sys
from pathlib import Path
from typing import Any

import click

from workers.errors import FramemillError, ProjectInvalid, SettingsInvalid

_EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "projects" / "board"
_MISTAKES = 3
_CANNOT_START = 4


def _say_ready(name: str, url: str) -> None:
    click.echo(f"Framemill serves {name!r} at {url}")
    sys.stdout.flush()


def _what_is_missing(error: OSError | MemoryError) -> str:
    if isinstance(error, MemoryError) or error.errno == errno.ENOMEM:
        return "the server is not allowed the memory that it needs; raise the limit (ulimit -v), or ask for fewer slots"
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return "the server is not allowed the descriptors that it needs; raise the limit (ulimit -n), 4,400 are enough"
    return f"the server cannot start: {error}"


@click.command()
@click.argument("project", required=False, type=click.Path(path_type=Path))
@click.option("--host", help="address to listen on; default 127.0.0.1")
@click.option("--port", type=int, help="TCP port; default 8000, 0 for any free one")
@click.option("--workers", type=int, help="processes that inspect frames; default one per core")
@click.option("--fronts", type=int, help="processes that speak HTTP; default one for two workers")
@click.option("--api-key-file", type=click.Path(path_type=Path), help="file whose first line is the API key")
@click.option("--keys-file", type=click.Path(path_type=Path), help="file with a key for each client: framemill keys")
@click.option("--stop-key", help="key that /stop asks for; without one /stop does not exist")
@click.option("--state-dir", type=click.Path(path_type=Path), help="where the Process switch is kept")
@click.option("--disable-code", is_flag=True, default=None, help="refuse projects with code modules")
def serve(project: Path | None, **options: Any) -> None:
    """Serve PROJECT, a folder with a framemill.toml; without one, the example project.

    \b
    Example:
      framemill serve deploy/projects/board --port 8000 --workers 2

    All other settings: in the project's [server] table, or as FRAMEMILL_<NAME> in the environment.
    """
    logging.basicConfig(format="framemill %(levelname)s: %(message)s", level=logging.INFO, stream=sys.stderr)
    if project is None and not _EXAMPLE.is_dir():
        raise click.UsageError("name a PROJECT; the example project comes with the repository, not with the package")
    # imported here: the libraries that are warmed up for the workers take a while, and --help should not
    from service.server import run_server  # noqa: PLC0415

    try:
        status = run_server(project or _EXAMPLE, options, _say_ready)
    except (ProjectInvalid, SettingsInvalid) as error:
        click.echo(f"framemill: {error.message}", err=True)
        sys.exit(_MISTAKES)
    except FramemillError as error:
        click.echo(f"framemill: {error.message}", err=True)
        sys.exit(_CANNOT_START)
    except (OSError, MemoryError) as error:
        click.echo(f"framemill: {_what_is_missing(error)}", err=True)
        sys.exit(_CANNOT_START)
    sys.exit(status)
