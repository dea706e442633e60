"""`framemill check`: all mistakes of a project at once."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from service.settings import load_settings
from workers.errors import ProjectInvalid, SettingsInvalid
from workers.flow.modules.beside import notes_on
from workers.flow.project import load_project

_MISTAKES = 3


@click.command()
@click.argument("project", type=click.Path(path_type=Path))
def check(project: Path) -> None:
    """Check PROJECT without serving it; every mistake is named with its key.

    \b
    Example:
      framemill check deploy/projects/board

    Files of code that read beside themselves are named, for what they read changes only by a reload. Exit status 0
    where there is no mistake, 3 where there is one.
    """
    mistakes: list[str] = []
    try:
        loaded = load_project(project)
        name, server = loaded.name, loaded.server
    except ProjectInvalid as error:
        mistakes.append(error.message)
        name, server = "", {}
    try:
        load_settings(server, {})
    except SettingsInvalid as error:
        mistakes.append(error.message)
    if mistakes:
        click.echo("\n".join(mistakes), err=True)
        sys.exit(_MISTAKES)
    for note in notes_on(project):
        click.echo(f"note: {note}")
    click.echo(f"{name}: no mistakes")
