"""`framemill check`: all mistakes of a project at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from service.cli.options import settings_options
from service.server.preflight import mistakes_of
from workers.modules.code.beside import notes_on
from workers.modules.code.ineffective import ineffective_in

_MISTAKES = 3


@click.command()
@click.argument("project", type=click.Path(path_type=Path))
@settings_options
def check(project: Path, **options: Any) -> None:
    """Check PROJECT without serving it; every mistake is named with its key.

    \b
    Example:
      framemill check deploy/projects/board

    Whatever `framemill serve` would refuse to start with is found, with the same options and environment: keys,
    certificates and the address too. Where nothing else is wrong the project's code is imported, in a process of its
    own, as workers do; with --disable-code it never is. Files of code that read beside themselves are named, for what
    they read changes only by a reload, and so is what has no effect in a main: what it returns, for one.

    Exit status 0 where there is no mistake, 3 where there is one.
    """
    name, mistakes = mistakes_of(project, options)
    if mistakes:
        click.echo("\n".join(mistakes), err=True)
        sys.exit(_MISTAKES)
    for note in (*ineffective_in(project), *notes_on(project)):
        click.echo(f"note: {note}")
    click.echo(f"{name}: no mistakes")
