"""`framemill serve`: start the server and stay until it is asked to stop."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from service.cli.command_line import interrupted_afterwards, what_is_missing
from service.cli.options import settings_options
from service.cli.proof_pages import show_proof
from workers.errors import FramemillError, ProjectInvalid, SettingsInvalid
from workers.server_log import log_to
from workers.standard_streams import never_wait

_EXAMPLE = Path(__file__).resolve().parents[3] / "deploy" / "projects" / "board"
_MISTAKES = 3
_CANNOT_START = 4


def _say_ready(name: str, url: str) -> None:
    click.echo(f"Framemill serves {name!r} at {url}")
    sys.stdout.flush()


@click.command()
@click.argument("project", required=False, type=click.Path(path_type=Path))
@settings_options
def serve(project: Path | None, **options: Any) -> None:
    """Serve PROJECT, a folder with a framemill.toml; without one, the example project.

    \b
    Example:
      framemill serve deploy/projects/board --port 8000 --workers 2

    All settings can stand in the project's [server] table, too, or as FRAMEMILL_<NAME> in the environment.
    """
    never_wait()
    log_to()
    if project is None and not _EXAMPLE.is_dir():
        raise click.UsageError("name a PROJECT; the example project comes with the repository, not with the package")
    # imported here: the libraries that are warmed up for the workers take a while, and --help should not
    with interrupted_afterwards():
        from service.server.start import run_server  # noqa: PLC0415

    try:
        status = run_server(project or _EXAMPLE, options, _say_ready, show_proof)
    except (ProjectInvalid, SettingsInvalid) as error:
        click.echo(f"framemill: {error.message}", err=True)
        sys.exit(_MISTAKES)
    except FramemillError as error:
        click.echo(f"framemill: {error.message}", err=True)
        sys.exit(_CANNOT_START)
    except (OSError, MemoryError) as error:
        click.echo(f"framemill: {what_is_missing(error)}", err=True)
        sys.exit(_CANNOT_START)
    sys.exit(status)
